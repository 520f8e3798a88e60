"""What Chainlit's data layer does to a database, without Chainlit: its 18
kinds of statements, on asyncpg's pool with its defaults, one acquire and one
release around every statement and no transaction anywhere.

    chainlit_layer.py URL NUMBER TURNS

plays ten users who chat for so many turns each, reads everything back and
prints what happened as JSON: statements done, statements that failed (by
SQLSTATE, then repeated), connections lost while idle, and what was read
wrong. NUMBER tells processes apart and shuffles their first statements, so
that equal statement names mean different texts in every process.
"""
import asyncio
import collections
import datetime
import json
import random
import sys
import uuid

import asyncpg

USERS = 10
RETRIES = 8
ZERO = datetime.datetime(2025, 1, 1)

USER_BY_NAME = 'SELECT * FROM "User" WHERE identifier = $1'
CREATE_USER = """
    INSERT INTO "User" (id, identifier, metadata, "createdAt", "updatedAt")
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (identifier) DO UPDATE SET metadata = $3
    RETURNING *
"""
DELETE_FEEDBACK = 'DELETE FROM "Feedback" WHERE id = $1'
UPSERT_FEEDBACK = """
    INSERT INTO "Feedback" (id, "stepId", name, value, comment)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET value = $4, comment = $5
    RETURNING id
"""
HAS_THREAD = 'SELECT id FROM "Thread" WHERE id = $1'
HAS_STEP = 'SELECT id FROM "Step" WHERE id = $1'
CREATE_ELEMENT = """
    INSERT INTO "Element" (
        id, "threadId", "stepId", metadata, mime, name, "objectKey", url,
        "chainlitKey", display, size, language, page, props
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
    )
    ON CONFLICT (id) DO UPDATE SET props = EXCLUDED.props
"""
GET_ELEMENT = 'SELECT * FROM "Element" WHERE id = $1 AND "threadId" = $2'
ELEMENT_BY_ID = 'SELECT * FROM "Element" WHERE id = $1'
DELETE_ELEMENT = 'DELETE FROM "Element" WHERE id = $1 AND "threadId" = $2'
UPSERT_STEP = """
    INSERT INTO "Step" (
        id, "threadId", "parentId", input, metadata, name, output, type,
        "startTime", "endTime", "showInput", "isError"
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
    )
    ON CONFLICT (id) DO UPDATE SET
        "parentId" = COALESCE(EXCLUDED."parentId", "Step"."parentId"),
        input = COALESCE(NULLIF(EXCLUDED.input, ''), "Step".input),
        metadata = CASE WHEN EXCLUDED.metadata <> '{}'
            THEN EXCLUDED.metadata ELSE "Step".metadata END,
        name = COALESCE(EXCLUDED.name, "Step".name),
        output = COALESCE(NULLIF(EXCLUDED.output, ''), "Step".output),
        type = CASE WHEN EXCLUDED.type = 'run'
            THEN "Step".type ELSE EXCLUDED.type END,
        "threadId" = COALESCE(EXCLUDED."threadId", "Step"."threadId"),
        "endTime" = COALESCE(EXCLUDED."endTime", "Step"."endTime"),
        "startTime" = LEAST(EXCLUDED."startTime", "Step"."startTime"),
        "showInput" = COALESCE(EXCLUDED."showInput", "Step"."showInput"),
        "isError" = COALESCE(EXCLUDED."isError", "Step"."isError")
"""
DELETE_STEP = ('DELETE FROM "Element" WHERE "stepId" = $1',
               'DELETE FROM "Feedback" WHERE "stepId" = $1',
               'DELETE FROM "Step" WHERE id = $1')
GET_STEP = """
    SELECT s.*, f.id AS feedback_id, f.value AS feedback_value,
           f.comment AS feedback_comment
    FROM "Step" s LEFT JOIN "Feedback" f ON s.id = f."stepId"
    WHERE s.id = $1
"""
THREAD_AUTHOR = """
    SELECT u.identifier FROM "Thread" t
    JOIN "User" u ON t."userId" = u.id WHERE t.id = $1
"""
THREAD_ELEMENTS = 'SELECT * FROM "Element" WHERE "threadId" = $1'
DELETE_THREAD = 'DELETE FROM "Thread" WHERE id = $1'
LIST_THREADS = """
    SELECT t.*, u.identifier AS user_identifier,
           (SELECT COUNT(*) FROM "Thread"
            WHERE "userId" = t."userId") AS total
    FROM "Thread" t LEFT JOIN "User" u ON t."userId" = u.id
    WHERE t."deletedAt" IS NULL {filters}
    ORDER BY t."updatedAt" DESC LIMIT ${limit}
"""
GET_THREAD = """
    SELECT t.*, u.identifier AS user_identifier
    FROM "Thread" t LEFT JOIN "User" u ON t."userId" = u.id
    WHERE t.id = $1 AND t."deletedAt" IS NULL
"""
THREAD_STEPS = """
    SELECT s.*, f.id AS feedback_id, f.value AS feedback_value
    FROM "Step" s LEFT JOIN "Feedback" f ON s.id = f."stepId"
    WHERE s."threadId" = $1 ORDER BY s."startTime"
"""
THREAD_METADATA = 'SELECT metadata FROM "Thread" WHERE id = $1'
FAVORITES = """
    SELECT s.* FROM "Step" s JOIN "Thread" t ON s."threadId" = t.id
    WHERE t."userId" = $1 AND s.metadata::jsonb->>'favorite' = 'true'
    ORDER BY s."createdAt" DESC
"""


class Layer:
    """Runs statements as Chainlit does and keeps the books."""

    def __init__(self):
        self.pool = None
        self.done = 0
        self.failed = collections.Counter()
        self.busy = set()
        self.idle_lost = 0
        self.is_closing = False

    async def open(self, url):
        self.pool = await asyncpg.create_pool(url, setup=None,
                                              init=self._watch)

    async def _watch(self, connection):
        connection.add_termination_listener(self._terminated)

    def _terminated(self, connection):
        if not self.is_closing and connection not in self.busy:
            self.idle_lost += 1

    async def close(self):
        self.is_closing = True
        await self.pool.close()

    async def run(self, sql, *parameters):
        """One statement; what failed for the loss of a server is repeated,
        anything else is raised."""
        for _ in range(RETRIES):
            try:
                return await self._run(sql, parameters)
            except (asyncpg.OperatorInterventionError,
                    asyncpg.PostgresConnectionError,
                    asyncpg.InterfaceError, ConnectionError) as error:
                self.failed[getattr(error, "sqlstate", None)
                            or type(error).__name__] += 1
        raise AssertionError(f"{RETRIES} failures in a row")

    async def _run(self, sql, parameters):
        async with self.pool.acquire() as held:
            connection = held._con  # what termination listeners are given
            self.busy.add(connection)
            self.busy.add(held)
            try:
                rows = await held.fetch(sql, *parameters)
            finally:
                # Not idle before the reset query has been answered too.
                asyncio.get_running_loop().call_later(
                    1, self.busy.difference_update, {connection, held})
        self.done += 1
        return rows


class User:
    """One user's chats, and what must be read back of them."""

    def __init__(self, layer, number, wrong):
        self.layer = layer
        self.name = f"user-{number}"
        self.wrong = wrong
        self.id = None
        self.steps = []
        self.thread = str(uuid.uuid4())
        self.clock = ZERO

    def expect(self, what, value, expected):
        if value != expected:
            self.wrong.append(f"{self.name} {what}: {value!r}, "
                              f"not {expected!r}")

    def tick(self):
        self.clock += datetime.timedelta(seconds=1)
        return self.clock

    async def log_in(self):
        (row,) = await self.layer.run(
            CREATE_USER, str(uuid.uuid4()), self.name,
            json.dumps({"role": "user"}), ZERO, ZERO)
        self.id = row["id"]
        self.expect("identifier", row["identifier"], self.name)

    async def update_thread(self, **columns):
        """Reads the metadata, then upserts just these columns."""
        rows = await self.layer.run(THREAD_METADATA, self.thread)
        metadata = json.loads(rows[0]["metadata"]) if rows else {}
        metadata.update(columns.pop("metadata", {}))
        columns |= {"id": self.thread, "metadata": json.dumps(metadata),
                    "updatedAt": self.tick()}
        names = [f'"{name}"' for name in columns]
        values = [f"${n + 1}" for n in range(len(columns))]
        updates = [f"{name} = EXCLUDED.{name}" for name in names[:]
                   if name != '"id"']
        await self.layer.run(
            f'INSERT INTO "Thread" ({", ".join(names)}) '
            f'VALUES ({", ".join(values)}) ON CONFLICT (id) DO UPDATE SET '
            f'{", ".join(updates)};', *columns.values())

    async def save_step(self, step, kind, text, parent=None, output=""):
        """create_step and update_step: the guards, then the upsert."""
        if not await self.layer.run(HAS_THREAD, self.thread):
            await self.update_thread(userId=self.id)
        if parent and not await self.layer.run(HAS_STEP, parent):
            await self.save_step(parent, "run", "")
        at = self.tick()
        await self.layer.run(
            UPSERT_STEP, step, self.thread, parent, text, "{}", kind, output,
            kind, at, at, "json", False)

    async def turn(self, number):
        """A user's message, a run with a tool, an answer, an element, a
        feedback; the writes of one turn go out together."""
        asked, run, tool, answered = (str(uuid.uuid4()) for _ in range(4))
        await self.layer.run(USER_BY_NAME, self.name)
        await self.save_step(asked, "user_message", "", output=f"q{number}")
        await asyncio.gather(
            self.save_step(run, "run", f"in{number}"),
            self.update_thread(name=f"chat {number}", userId=self.id,
                               tags=["a", self.name]))
        await asyncio.gather(
            self.save_step(tool, "tool", f"call{number}", parent=run),
            self.save_step(answered, "assistant_message", "", parent=run,
                           output=""))
        await asyncio.gather(
            self.save_step(tool, "tool", "", parent=run,
                           output=f"result{number}"),
            self.save_step(answered, "assistant_message", "", parent=run,
                           output=f"a{number}"))
        await self.element(answered, number)
        await self.feedback(answered, number)
        self.steps += [asked, run, tool, answered]

    async def element(self, step, number):
        element = str(uuid.uuid4())
        await self.layer.run(HAS_THREAD, self.thread)
        await self.layer.run(HAS_STEP, step)
        await self.layer.run(
            CREATE_ELEMENT, element, self.thread, step,
            json.dumps({"type": "text"}), "text/plain", f"file{number}",
            f"threads/{self.thread}/files/{element}", None, None, "inline",
            "small", None, number, json.dumps({"n": number}))
        (row,) = await self.layer.run(GET_ELEMENT, element, self.thread)
        self.expect("element", row["page"], number)
        if number % 2:
            await self.layer.run(ELEMENT_BY_ID, element)
            await self.layer.run(DELETE_ELEMENT, element, self.thread)

    async def feedback(self, step, number):
        feedback = str(uuid.uuid4())
        await self.layer.run(UPSERT_FEEDBACK, feedback, step,
                             "user_feedback", float(number % 2), None)
        (row,) = await self.layer.run(GET_STEP, step)
        self.expect("feedback", row["feedback_value"], float(number % 2))
        self.expect("output", row["output"], f"a{number}")
        self.expect("type", row["type"], "assistant_message")
        if number % 3 == 2:
            await self.layer.run(DELETE_FEEDBACK, feedback)

    async def read_back(self, turns):
        """Opens the thread again, lists the threads, finds the author."""
        (thread,) = await self.layer.run(GET_THREAD, self.thread)
        self.expect("thread", (thread["name"], thread["tags"]),
                    (f"chat {turns - 1}", ["a", self.name]))
        steps = await self.layer.run(THREAD_STEPS, self.thread)
        self.expect("steps", sorted(row["id"] for row in steps),
                    sorted(self.steps))
        elements = await self.layer.run(THREAD_ELEMENTS, self.thread)
        self.expect("elements", len(elements), (turns + 1) // 2)
        (author,) = await self.layer.run(THREAD_AUTHOR, self.thread)
        self.expect("author", author["identifier"], self.name)
        for filters, parameters in (
                ("", []), ('AND t.name ILIKE $2', ["%chat%"]),
                ('AND t.name ILIKE $2 AND t."updatedAt" < (SELECT '
                 '"updatedAt" FROM "Thread" WHERE id = $3)',
                 ["%c%", self.thread])):
            sql = LIST_THREADS.format(
                filters='AND t."userId" = $1 ' + filters,
                limit=len(parameters) + 2)
            rows = await self.layer.run(sql, self.id, *parameters, 36)
            self.expect("list", [row["id"] for row in rows],
                        [] if "$3" in filters else [self.thread])
        self.expect("favorites", await self.layer.run(FAVORITES, self.id),
                    [])

    async def tidy_up(self):
        for sql in DELETE_STEP:
            await self.layer.run(sql, self.steps[0])
        await self.layer.run(THREAD_ELEMENTS, self.thread)
        await self.layer.run(DELETE_THREAD, self.thread)
        self.expect("deleted", await self.layer.run(GET_THREAD, self.thread),
                    [])

    async def chat(self, turns):
        await self.log_in()
        for number in range(turns):
            await self.turn(number)
        await self.read_back(turns)
        await self.tidy_up()


async def main(url, number, turns):
    layer, wrong = Layer(), []
    await layer.open(url)
    warm_up = [USER_BY_NAME, HAS_THREAD, HAS_STEP, ELEMENT_BY_ID, GET_STEP,
               THREAD_AUTHOR, THREAD_METADATA, THREAD_ELEMENTS]
    random.Random(number).shuffle(warm_up)
    for sql in warm_up:
        await layer.run(sql, "nobody")
    users = [User(layer, number * USERS + n, wrong) for n in range(USERS)]
    await asyncio.gather(*(user.chat(turns) for user in users))
    await layer.close()
    print(json.dumps({"done": layer.done, "failed": layer.failed,
                      "idle_lost": layer.idle_lost, "wrong": wrong}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
