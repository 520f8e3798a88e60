"""The 18 statements of ChainlitDataLayer (2.11), in shape and in types, run
by asyncpg on a database, with what each must answer. What a repaired database
has to be good for."""
import asyncio
import datetime
import json
import uuid

import asyncpg

USER_UPSERT = """
    INSERT INTO "User" (id, identifier, metadata, "createdAt", "updatedAt")
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (identifier) DO UPDATE SET metadata = $3 RETURNING *"""
THREAD_UPSERT = """
    INSERT INTO "Thread" ("id", "name", "userId", "tags", "metadata",
        "updatedAt")
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT ("id") DO UPDATE SET "name" = EXCLUDED."name",
        "userId" = EXCLUDED."userId", "tags" = EXCLUDED."tags",
        "metadata" = EXCLUDED."metadata",
        "updatedAt" = EXCLUDED."updatedAt";"""
STEP_UPSERT = """
    INSERT INTO "Step" (id, "threadId", "parentId", input, metadata, name,
        output, type, "startTime", "endTime", "showInput", "isError")
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (id) DO UPDATE SET
        "parentId" = COALESCE(EXCLUDED."parentId", "Step"."parentId"),
        input = COALESCE(NULLIF(EXCLUDED.input, ''), "Step".input),
        metadata = CASE WHEN EXCLUDED.metadata <> '{}'
            THEN EXCLUDED.metadata ELSE "Step".metadata END,
        name = COALESCE(EXCLUDED.name, "Step".name),
        output = COALESCE(NULLIF(EXCLUDED.output, ''), "Step".output),
        type = CASE WHEN EXCLUDED.type = 'run' THEN "Step".type
            ELSE EXCLUDED.type END,
        "threadId" = COALESCE(EXCLUDED."threadId", "Step"."threadId"),
        "endTime" = COALESCE(EXCLUDED."endTime", "Step"."endTime"),
        "startTime" = LEAST(EXCLUDED."startTime", "Step"."startTime"),
        "showInput" = COALESCE(EXCLUDED."showInput", "Step"."showInput"),
        "isError" = COALESCE(EXCLUDED."isError", "Step"."isError")"""
ELEMENT_UPSERT = """
    INSERT INTO "Element" (id, "threadId", "stepId", metadata, mime, name,
        "objectKey", url, "chainlitKey", display, size, language, page, props)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (id) DO UPDATE SET props = EXCLUDED.props"""
FEEDBACK_UPSERT = """
    INSERT INTO "Feedback" (id, "stepId", name, value, comment)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET value = $4, comment = $5 RETURNING id"""
LIST_THREADS = """
    SELECT t.*, u.identifier AS user_identifier,
        (SELECT COUNT(*) FROM "Thread" WHERE "userId" = t."userId") AS total
    FROM "Thread" t LEFT JOIN "User" u ON t."userId" = u.id
    WHERE t."deletedAt" IS NULL AND t.name ILIKE $1 AND t."userId" = $2
        AND t."updatedAt" < (SELECT "updatedAt" FROM "Thread" WHERE id = $3)
    ORDER BY t."updatedAt" DESC LIMIT $4"""
FEEDBACK_JOIN = """
    SELECT s.*, f.id AS feedback_id, f.value AS feedback_value,
        f.comment AS feedback_comment
    FROM "Step" s LEFT JOIN "Feedback" f ON s.id = f."stepId" WHERE """
FAVORITES = """
    SELECT s.* FROM "Step" s JOIN "Thread" t ON s."threadId" = t.id
    WHERE t."userId" = $1 AND s.metadata::jsonb->>'favorite' = 'true'
    ORDER BY s."createdAt" DESC"""


def new_id():
    return str(uuid.uuid4())


def now(seconds=0):
    """As Chainlit writes it: naive."""
    return (datetime.datetime(2026, 11, 21, 12, 0, 0, 123000)
            + datetime.timedelta(seconds=seconds))


class Chat:
    """A conversation, step by step; asserts as it goes."""

    def __init__(self, connection):
        self.c = connection
        self.thread, self.older = new_id(), new_id()
        self.question, self.answer = new_id(), new_id()
        self.element, self.feedback = new_id(), new_id()
        self.identifier = f"somebody-{new_id()}"

    async def users(self):
        row = await self.c.fetchrow(USER_UPSERT, new_id(), self.identifier,
                                    json.dumps({"role": "admin"}), now(),
                                    now())
        again = await self.c.fetchrow(USER_UPSERT, new_id(), self.identifier,
                                      "{}", now(), now())
        assert row["id"] == again["id"] and again["metadata"] == "{}"
        self.user = str(row["id"])
        row = await self.c.fetchrow(
            'SELECT * FROM "User" WHERE identifier = $1', self.identifier)
        assert row["createdAt"].tzinfo is None

    async def threads(self):
        for at, thread in enumerate((self.older, self.thread)):
            assert await self.c.fetchval(
                'SELECT "metadata" FROM "Thread" WHERE id = $1',
                thread) is None
            for name in ("first", "talk of rain"):
                await self.c.execute(THREAD_UPSERT, thread, name, self.user,
                                     ["tag"], json.dumps({"a": 1}), now(at))
        rows = await self.c.fetch(LIST_THREADS, "%rain%", self.user,
                                  self.thread, 36)
        assert [(r["id"], r["total"]) for r in rows] == [(self.older, 2)]
        assert await self.c.fetchval(
            'SELECT u.identifier FROM "Thread" t JOIN "User" u '
            'ON t."userId" = u.id WHERE t.id = $1',
            self.thread) == self.identifier

    async def steps(self):
        assert await self.c.fetchval('SELECT id FROM "Thread" WHERE id = $1',
                                     self.thread) == self.thread
        assert await self.c.fetchval('SELECT id FROM "Step" WHERE id = $1',
                                     self.question) is None
        await self.step(self.question, None, "user_message", "")
        await self.step(self.answer, self.question, "run", "")
        await self.step(self.answer, None, "assistant_message", "It rains.")
        await self.step(self.answer, None, "run", "", metadata="{}")
        row = await self.c.fetchrow(FEEDBACK_JOIN + "s.id = $1", self.answer)
        assert row["output"] == "It rains." and row["isError"] is False
        assert row["type"] == "assistant_message"
        assert row["parentId"] == self.question
        assert json.loads(row["metadata"]) == {"favorite": True}

    async def step(self, step, parent, kind, output, metadata=None):
        metadata = metadata or json.dumps({"favorite": True})
        await self.c.execute(STEP_UPSERT, step, self.thread, parent,
                             "plain text, no JSON", metadata, "step", output,
                             kind, now(), now(), "json", False)

    async def elements(self):
        for props in ("{}", json.dumps({"x": 2})):
            await self.c.execute(
                ELEMENT_UPSERT, self.element, self.thread, self.question,
                json.dumps({"type": "image"}), "image/png", "a.png",
                f"threads/{self.thread}/files/{self.element}", None, None,
                "inline", "medium", None, 3, props)
        row = await self.c.fetchrow(
            'SELECT * FROM "Element" WHERE id = $1 AND "threadId" = $2',
            self.element, self.thread)
        assert (row["page"], json.loads(row["props"])) == (3, {"x": 2})

    async def feedbacks(self):
        for value in (0.0, 1.0):
            assert await self.c.fetchval(
                FEEDBACK_UPSERT, self.feedback, self.answer, "user_feedback",
                value, "good") == self.feedback
        rows = await self.c.fetch(
            FEEDBACK_JOIN + 's."threadId" = $1 ORDER BY s."startTime"',
            self.thread)
        assert sorted(r["feedback_value"] or 0 for r in rows) == [0, 1]

    async def reading(self):
        row = await self.c.fetchrow(
            'SELECT t.*, u.identifier FROM "Thread" t LEFT JOIN "User" u '
            'ON t."userId" = u.id WHERE t.id = $1 AND t."deletedAt" IS NULL',
            self.thread)
        assert row["name"] == "talk of rain" and row["tags"] == ["tag"]
        assert len(await self.c.fetch(
            'SELECT * FROM "Element" WHERE "threadId" = $1',
            self.thread)) == 1
        assert len(await self.c.fetch(FAVORITES, self.user)) == 2

    async def deleting(self):
        for sql, key in (
                ('DELETE FROM "Feedback" WHERE id = $1', self.feedback),
                ('DELETE FROM "Element" WHERE "stepId" = $1', self.answer),
                ('DELETE FROM "Feedback" WHERE "stepId" = $1', self.answer),
                ('DELETE FROM "Step" WHERE id = $1', self.answer)):
            await self.c.execute(sql, key)
        await self.c.execute(
            'DELETE FROM "Element" WHERE id = $1 AND "threadId" = $2',
            new_id(), self.thread)
        await self.c.execute('DELETE FROM "Thread" WHERE id = $1',
                             self.thread)
        for table, key in (("Step", self.question),
                           ("Element", self.element)):
            assert await self.c.fetchval(
                f'SELECT id FROM "{table}" WHERE id = $1', key) is None


async def talk(**where):
    connection = await asyncpg.connect(**where)
    try:
        chat = Chat(connection)
        for part in (chat.users, chat.threads, chat.steps, chat.elements,
                     chat.feedbacks, chat.reading, chat.deleting):
            await part()
    finally:
        await connection.close()


def run_all(database):
    """All 18 on a Database of migrate_cluster."""
    target = database.cluster.target
    asyncio.run(talk(host="127.0.0.1", port=database.cluster.port,
                     user=target.user, password=target.password,
                     database=database.name, ssl=False))
