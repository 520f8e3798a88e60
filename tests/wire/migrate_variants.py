"""Chat tables as they are met in the wild, with rows in them. Each variant
is what somebody ran instead of Prisma's migrations."""

# An init script of 2026 with ids of type uuid, times with a time zone, JSON
# and text exchanged, no enum, no "updatedAt" of threads, no key on parentId.
UUIDS = """
    CREATE TABLE "User" (
        id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
        identifier text NOT NULL UNIQUE,
        metadata text DEFAULT '{}'::text NOT NULL,
        "createdAt" timestamptz DEFAULT now() NOT NULL,
        "updatedAt" timestamptz DEFAULT now() NOT NULL);
    CREATE TABLE "Thread" (
        id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
        name text,
        "userId" uuid REFERENCES "User"(id) ON DELETE SET NULL,
        tags text[],
        metadata text DEFAULT '{}'::text NOT NULL,
        "createdAt" timestamptz DEFAULT now() NOT NULL,
        "deletedAt" timestamptz);
    CREATE TABLE "Step" (
        id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
        "threadId" uuid REFERENCES "Thread"(id) ON DELETE CASCADE,
        "parentId" uuid,
        input jsonb DEFAULT '{}'::jsonb,
        metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
        name text,
        output jsonb DEFAULT '{}'::jsonb NOT NULL,
        type text NOT NULL,
        "startTime" timestamptz,
        "endTime" timestamptz,
        "showInput" text,
        "isError" boolean,
        "createdAt" timestamptz DEFAULT now());
    CREATE TABLE "Feedback" (
        id text PRIMARY KEY,
        "stepId" uuid NOT NULL REFERENCES "Step"(id) ON DELETE CASCADE,
        name text DEFAULT 'user_feedback'::text NOT NULL,
        value double precision NOT NULL,
        comment text);
    CREATE TABLE "Element" (
        id text PRIMARY KEY,
        "threadId" uuid REFERENCES "Thread"(id) ON DELETE CASCADE,
        "stepId" uuid REFERENCES "Step"(id) ON DELETE CASCADE,
        metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
        mime text, name text NOT NULL, "objectKey" text, url text,
        "chainlitKey" text, display text, size text, language text,
        page integer, props jsonb DEFAULT '{}'::jsonb NOT NULL);
"""
U, T, S = ("11111111-1111-1111-1111-111111111111",
           "22222222-2222-2222-2222-222222222222",
           "33333333-3333-3333-3333-333333333333")
UUID_ROWS = f"""
    INSERT INTO "User" VALUES ('{U}', 'ann', '{{"a": 1}}',
        '2026-01-02 03:04:05.678901+02', '2026-01-02 03:04:05+00');
    INSERT INTO "Thread" VALUES ('{T}', 'rain', '{U}', '{{x,y}}', '',
        '2026-01-02 03:04:05+00', NULL);
    INSERT INTO "Step" (id, "threadId", input, output, type, "startTime",
        "createdAt") VALUES
        ('{S}', '{T}', '"how are you?"', '{{"text": "fine"}}', 'run', NULL,
        '2026-01-02 03:04:06+00');
    INSERT INTO "Feedback" VALUES ('f', '{S}', 'user_feedback', 1, 'good');
    INSERT INTO "Element" (id, "threadId", "stepId", name) VALUES
        ('e', '{T}', '{S}', 'a.png');
"""

# schema.prisma turned into SQL by hand: uuid, text for the enum, times with
# microseconds that may be NULL, keys without ON UPDATE, FLOAT.
BY_HAND = """
    CREATE TABLE "User" (
        "id" UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "metadata" JSONB NOT NULL,
        "identifier" TEXT NOT NULL,
        CONSTRAINT "User_identifier_key" UNIQUE ("identifier"));
    CREATE INDEX "User_identifier_idx" ON "User"("identifier");
    CREATE TABLE "Thread" (
        "id" UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "deletedAt" TIMESTAMP,
        "name" VARCHAR(255),
        "metadata" JSONB NOT NULL,
        "tags" TEXT[] DEFAULT '{}',
        "userId" UUID REFERENCES "User"("id"));
    CREATE TABLE "Step" (
        "id" UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "parentId" UUID REFERENCES "Step"("id") ON DELETE CASCADE,
        "threadId" UUID REFERENCES "Thread"("id") ON DELETE CASCADE,
        "input" TEXT, "metadata" JSONB NOT NULL, "name" TEXT, "output" TEXT,
        "type" TEXT NOT NULL, "showInput" TEXT DEFAULT 'json',
        "isError" BOOLEAN DEFAULT FALSE,
        "startTime" TIMESTAMP NOT NULL, "endTime" TIMESTAMP NOT NULL);
    CREATE INDEX "Step_type_idx" ON "Step"("type");
    CREATE TABLE "Element" (
        "id" UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "threadId" UUID REFERENCES "Thread"("id") ON DELETE CASCADE,
        "stepId" UUID NOT NULL REFERENCES "Step"("id") ON DELETE CASCADE,
        "metadata" JSONB NOT NULL, "mime" TEXT, "name" TEXT NOT NULL,
        "objectKey" TEXT, "url" TEXT, "chainlitKey" TEXT, "display" TEXT,
        "size" INTEGER, "language" TEXT, "page" INTEGER, "props" JSONB);
    CREATE TABLE "Feedback" (
        "id" UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        "createdAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "updatedAt" TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        "stepId" UUID REFERENCES "Step"("id"),
        "name" TEXT NOT NULL, "value" FLOAT NOT NULL, "comment" TEXT);
    CREATE TABLE "State" ("threadId" TEXT PRIMARY KEY, "state" JSONB);
"""
BY_HAND_ROWS = f"""
    INSERT INTO "User" VALUES ('{U}', NULL, NULL, '{{"a": 1}}', 'ann');
    INSERT INTO "Thread" ("id", "userId", "name", "metadata")
        VALUES ('{T}', '{U}', 'rain', '{{}}');
    INSERT INTO "Step" ("id", "threadId", "metadata", "type", "startTime",
        "endTime") VALUES
        ('{S}', '{T}', '{{}}', 'tool', '2026-01-02 03:04:05.678901',
        '2026-01-02 03:04:06');
    INSERT INTO "Element" ("stepId", "metadata", "name", "size")
        VALUES ('{S}', '{{}}', 'a.png', 12);
    INSERT INTO "Feedback" ("stepId", "name", "value")
        VALUES ('{S}', 'user_feedback', 1);
    INSERT INTO "State" VALUES ('{T}', '{{}}');
"""

VARIANTS = {"uuids": (UUIDS, UUID_ROWS), "by hand": (BY_HAND, BY_HAND_ROWS)}
