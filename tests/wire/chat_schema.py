"""Chainlit's five tables as its migrations leave them, for tests that need
them where nobody has migrated."""

SCHEMA = """\
CREATE TYPE "StepType" AS ENUM ('assistant_message', 'embedding', 'llm',
    'retrieval', 'rerank', 'run', 'system_message', 'tool', 'undefined',
    'user_message');
CREATE TABLE "User" (
    id text NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    metadata jsonb NOT NULL,
    identifier text NOT NULL
);
CREATE TABLE "Thread" (
    id text NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deletedAt" timestamp(3),
    name text,
    metadata jsonb NOT NULL,
    "userId" text REFERENCES "User" ON DELETE SET NULL ON UPDATE CASCADE,
    tags text[] DEFAULT ARRAY[]::text[]
);
CREATE TABLE "Step" (
    id text NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "parentId" text REFERENCES "Step" ON DELETE CASCADE ON UPDATE CASCADE,
    "threadId" text REFERENCES "Thread" ON DELETE CASCADE ON UPDATE CASCADE,
    input text,
    metadata jsonb NOT NULL,
    name text,
    output text,
    type "StepType" NOT NULL,
    "showInput" text DEFAULT 'json',
    "isError" boolean DEFAULT false,
    "startTime" timestamp(3) NOT NULL,
    "endTime" timestamp(3) NOT NULL
);
CREATE TABLE "Element" (
    id text NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "threadId" text REFERENCES "Thread" ON DELETE CASCADE ON UPDATE CASCADE,
    "stepId" text NOT NULL REFERENCES "Step" ON DELETE CASCADE
        ON UPDATE CASCADE,
    metadata jsonb NOT NULL,
    mime text,
    name text NOT NULL,
    "objectKey" text,
    url text,
    "chainlitKey" text,
    display text,
    size text,
    language text,
    page integer,
    props jsonb
);
CREATE TABLE "Feedback" (
    id text NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stepId" text REFERENCES "Step" ON DELETE SET NULL ON UPDATE CASCADE,
    name text NOT NULL,
    value double precision NOT NULL,
    comment text
);
CREATE UNIQUE INDEX "User_identifier_key" ON "User" (identifier);
CREATE INDEX "User_identifier_idx" ON "User" (identifier);
CREATE INDEX "Thread_createdAt_idx" ON "Thread" ("createdAt");
CREATE INDEX "Thread_name_idx" ON "Thread" (name);
CREATE INDEX "Step_createdAt_idx" ON "Step" ("createdAt");
CREATE INDEX "Step_endTime_idx" ON "Step" ("endTime");
CREATE INDEX "Step_parentId_idx" ON "Step" ("parentId");
CREATE INDEX "Step_startTime_idx" ON "Step" ("startTime");
CREATE INDEX "Step_threadId_idx" ON "Step" ("threadId");
CREATE INDEX "Step_type_idx" ON "Step" (type);
CREATE INDEX "Step_name_idx" ON "Step" (name);
CREATE INDEX "Step_threadId_startTime_endTime_idx"
    ON "Step" ("threadId", "startTime", "endTime");
CREATE INDEX "Element_stepId_idx" ON "Element" ("stepId");
CREATE INDEX "Element_threadId_idx" ON "Element" ("threadId");
CREATE INDEX "Feedback_createdAt_idx" ON "Feedback" ("createdAt");
CREATE INDEX "Feedback_name_idx" ON "Feedback" (name);
CREATE INDEX "Feedback_stepId_idx" ON "Feedback" ("stepId");
CREATE INDEX "Feedback_value_idx" ON "Feedback" (value);
CREATE INDEX "Feedback_name_value_idx" ON "Feedback" (name, value);
"""


def ensure(cluster):
    """Makes the tables unless a migration has."""
    if cluster.value("select to_regclass('\"Thread\"')") is None:
        with cluster.target.connect() as c:
            c.rows(SCHEMA)
