/*
 * node-postgres at the admin console: every table in the simple and, by a
 * name, in the extended protocol, errors, what a pool does. Prints one JSON
 * document.
 *
 *	node node_console.js CONNECTION-URL TABLE..., with NODE_PATH naming the
 *	folder that holds the package pg
 */
'use strict';
const { Client, Pool } = require('pg');

const [url, ...tables] = process.argv.slice(2);

async function columnsOf(client, table) {
	const simple = await client.query(`SHOW ${table}`);
	const named = await client.query({ name: table, text: `SHOW ${table}` });
	const again = await client.query({ name: table, text: `SHOW ${table}` });

	return [simple, named, again].map((result) => ({
		command: result.command,
		names: result.fields.map((field) => field.name),
		numbers: result.rows.every((row) => result.fields.every((field) =>
			field.dataTypeID !== 23 || row[field.name] === null ||
				Number.isInteger(row[field.name]))),
	}));
}

async function errorOf(promise) {
	try {
		await promise;
		return 'no error';
	} catch (error) {
		return error.code;
	}
}

async function main() {
	const client = new Client({ connectionString: url });
	const pool = new Pool({ connectionString: url, max: 3 });
	const seen = { tables: {} };

	await client.connect();
	for (const table of tables)
		seen.tables[table] = await columnsOf(client, table);
	seen.errors = [
		await errorOf(client.query('nonsense')),
		await errorOf(client.query({ name: 'bad', text: 'nonsense' })),
		await errorOf(client.query('SHOW VERSION', [1])),
	];
	seen.several = (await client.query('SHOW VERSION; SHOW LISTS'))
		.map((result) => result.command);
	seen.pooled = (await Promise.all(Array.from({ length: 12 }, () =>
		pool.query('SHOW POOLS')))).length;
	await pool.end();
	await client.end();
	console.log(JSON.stringify(seen));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
