/*
 * node-postgres: pooled and single clients, heavy pipelining, `begin read
 * only` behind selects, errors, binary parameters, notifications, cursors of
 * its own. Prints one JSON document, so that two servers can be compared.
 *
 *	node node_pg.js CONNECTION-URL, with NODE_PATH naming the folder that
 *	holds the package pg
 */
'use strict';
const { Client, Pool, types } = require('pg');

const url = process.argv[2];
const seen = {};

async function withClient(options, work) {
	const client = new Client({ connectionString: url, ...options });
	const notices = [];

	client.on('notice', (notice) => notices.push(notice.message));
	await client.connect();
	try {
		return await work(client, notices);
	} finally {
		await client.end();
	}
}

/* The parts of an error that a server decides. */
async function errorOf(promise) {
	try {
		await promise;
		return 'no error';
	} catch (error) {
		const { code, message, severity, position, detail } = error;
		return { code, message, severity, position, detail };
	}
}

async function statements(client, notices) {
	const { rows, fields } = await client.query(
		"select $1::int as a, $2::text as b, $3::jsonb as c, " +
			"$4::timestamptz as d, $5::bytea as e, $6::text[] as f",
		[1, "it's ☃", { x: [1, null] }, '2024-05-17 12:00+02',
			Buffer.from([0, 255]), ['a', null]]);
	const several = await client.query('select 1 as one; select 2 as two');

	await client.query("do $$ begin raise notice 'noticed'; end $$");
	return {
		rows,
		types: fields.map((field) => [field.name, field.dataTypeID]),
		several: several.map((result) => result.rows),
		errors: [
			await errorOf(client.query('selec')),
			await errorOf(client.query('select 1/$1::int', [0])),
			await errorOf(client.query('select * from nowhere')),
			await errorOf(client.query('select $1::int', ['x'])),
		],
		after: (await client.query('select 1 as one')).rows,
		notices,
	};
}

/* Queries are queued by the driver and answered in order. */
async function manyAtOnce(client) {
	const answers = await Promise.all(Array.from({ length: 300 }, (_, n) =>
		n % 9 === 8
			? errorOf(client.query('select 1/$1::int', [0]))
			: client.query({
				text: 'select $1::int as n',
				name: n % 2 ? 'by_name' : undefined,
				values: [n],
			}).then((result) => result.rows[0].n)));
	return answers;
}

async function named(client) {
	await client.query({ name: 'x', text: 'select $1::int as n', values: [1] });
	const again = await client.query({
		name: 'x', text: 'select $1::int as n', values: [2],
	});
	return [again.rows, await errorOf(client.query({
		name: 'x', text: 'select 2', values: [],
	}))];
}

async function transactions(client) {
	await client.query('create table t (id int primary key)');
	await Promise.all([
		client.query('select 1'),
		client.query('begin read only'),
		client.query('select 2'),
		client.query('commit'),
	]);
	await client.query('begin');
	await client.query('insert into t values ($1)', [1]);
	const failed = await errorOf(client.query('insert into t values ($1)', [1]));
	const ignored = await errorOf(client.query('select 1'));
	await client.query('rollback');
	await client.query('begin; insert into t values (2); commit');
	return [failed, ignored, (await client.query('select * from t')).rows];
}

async function notifications() {
	return withClient({}, async (listener) => {
		const heard = [];
		const all = new Promise((resolve) => {
			listener.on('notification', (note) => {
				heard.push([note.channel, note.payload]);
				if (heard.length === 3)
					resolve();
			});
		});

		await listener.query('listen news');
		await withClient({}, async (sender) => {
			for (const word of ['one', 'two', 'three'])
				await sender.query("select pg_notify('news', $1)", [word]);
		});
		await all;
		return heard;
	});
}

async function pooled() {
	const pool = new Pool({ connectionString: url, max: 8 });
	const sums = await Promise.all(Array.from({ length: 60 }, async (_, n) => {
		const client = await pool.connect();
		try {
			await client.query('begin');
			const { rows } = await client.query({
				name: `named_${n % 5}`,
				text: `select $1::int + ${n % 5} as n`,
				values: [n],
			});
			await client.query(n % 2 ? 'commit' : 'rollback');
			return rows[0].n;
		} finally {
			client.release();
		}
	}));
	const direct = await Promise.all(Array.from({ length: 60 }, (_, n) =>
		pool.query('select $1::int as n', [n]).then((r) => r.rows[0].n)));
	await pool.end();
	return [sums, direct];
}

async function main() {
	types.setTypeParser(1114, (text) => text);
	seen.statements = await withClient({ application_name: 'node' }, statements);
	seen.manyAtOnce = await withClient({}, manyAtOnce);
	seen.named = await withClient({}, named);
	seen.transactions = await withClient({}, transactions);
	seen.timeout = await withClient({ statement_timeout: 300 }, (client) =>
		errorOf(client.query('select pg_sleep(60)')));
	seen.options = await withClient({ options: '-c work_mem=7MB' },
		async (client) => (await client.query('show work_mem')).rows);
	seen.notifications = await notifications();
	seen.pooled = await pooled();
	const wrong = new URL(url);
	wrong.password = 'wrong';
	seen.wrongPassword = await errorOf(new Client(wrong.href).connect());
	console.log(JSON.stringify(seen, null, 1));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
