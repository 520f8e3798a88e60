-- The chat tables, exactly as Chainlit's two Prisma migrations leave them
-- (proto/schema.prisma); physical column order included, since clients say
-- SELECT *. Each statement follows its name; one that names a missing object
-- is run alone, all of them in this order make an empty schema complete.

-- name: pgcrypto
CREATE EXTENSION IF NOT EXISTS "pgcrypto";

-- name: StepType
CREATE TYPE "StepType" AS ENUM (
    'assistant_message', 'embedding', 'llm', 'retrieval', 'rerank', 'run',
    'system_message', 'tool', 'undefined', 'user_message');

-- name: User
CREATE TABLE "User" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "metadata" JSONB NOT NULL,
    "identifier" TEXT NOT NULL,
    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- name: Thread
CREATE TABLE "Thread" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deletedAt" TIMESTAMP(3),
    "name" TEXT,
    "metadata" JSONB NOT NULL,
    "userId" TEXT,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    CONSTRAINT "Thread_pkey" PRIMARY KEY ("id")
);

-- name: Step
CREATE TABLE "Step" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "parentId" TEXT,
    "threadId" TEXT,
    "input" TEXT,
    "metadata" JSONB NOT NULL,
    "name" TEXT,
    "output" TEXT,
    "type" "StepType" NOT NULL,
    "showInput" TEXT DEFAULT 'json',
    "isError" BOOLEAN DEFAULT false,
    "startTime" TIMESTAMP(3) NOT NULL,
    "endTime" TIMESTAMP(3) NOT NULL,
    CONSTRAINT "Step_pkey" PRIMARY KEY ("id")
);

-- name: Element
CREATE TABLE "Element" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "threadId" TEXT,
    "stepId" TEXT NOT NULL,
    "metadata" JSONB NOT NULL,
    "mime" TEXT,
    "name" TEXT NOT NULL,
    "objectKey" TEXT,
    "url" TEXT,
    "chainlitKey" TEXT,
    "display" TEXT,
    "size" TEXT,
    "language" TEXT,
    "page" INTEGER,
    "props" JSONB,
    CONSTRAINT "Element_pkey" PRIMARY KEY ("id")
);

-- name: Feedback
CREATE TABLE "Feedback" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stepId" TEXT,
    "name" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "comment" TEXT,
    CONSTRAINT "Feedback_pkey" PRIMARY KEY ("id")
);

-- name: User_identifier_idx
CREATE INDEX "User_identifier_idx" ON "User"("identifier");

-- name: User_identifier_key
CREATE UNIQUE INDEX "User_identifier_key" ON "User"("identifier");

-- name: Thread_createdAt_idx
CREATE INDEX "Thread_createdAt_idx" ON "Thread"("createdAt");

-- name: Thread_name_idx
CREATE INDEX "Thread_name_idx" ON "Thread"("name");

-- name: Step_createdAt_idx
CREATE INDEX "Step_createdAt_idx" ON "Step"("createdAt");

-- name: Step_endTime_idx
CREATE INDEX "Step_endTime_idx" ON "Step"("endTime");

-- name: Step_parentId_idx
CREATE INDEX "Step_parentId_idx" ON "Step"("parentId");

-- name: Step_startTime_idx
CREATE INDEX "Step_startTime_idx" ON "Step"("startTime");

-- name: Step_threadId_idx
CREATE INDEX "Step_threadId_idx" ON "Step"("threadId");

-- name: Step_type_idx
CREATE INDEX "Step_type_idx" ON "Step"("type");

-- name: Step_name_idx
CREATE INDEX "Step_name_idx" ON "Step"("name");

-- name: Step_threadId_startTime_endTime_idx
CREATE INDEX "Step_threadId_startTime_endTime_idx"
    ON "Step"("threadId", "startTime", "endTime");

-- name: Element_stepId_idx
CREATE INDEX "Element_stepId_idx" ON "Element"("stepId");

-- name: Element_threadId_idx
CREATE INDEX "Element_threadId_idx" ON "Element"("threadId");

-- name: Feedback_createdAt_idx
CREATE INDEX "Feedback_createdAt_idx" ON "Feedback"("createdAt");

-- name: Feedback_name_idx
CREATE INDEX "Feedback_name_idx" ON "Feedback"("name");

-- name: Feedback_stepId_idx
CREATE INDEX "Feedback_stepId_idx" ON "Feedback"("stepId");

-- name: Feedback_value_idx
CREATE INDEX "Feedback_value_idx" ON "Feedback"("value");

-- name: Feedback_name_value_idx
CREATE INDEX "Feedback_name_value_idx" ON "Feedback"("name", "value");

-- name: Element_stepId_fkey
ALTER TABLE "Element" ADD CONSTRAINT "Element_stepId_fkey"
    FOREIGN KEY ("stepId") REFERENCES "Step"("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

-- name: Element_threadId_fkey
ALTER TABLE "Element" ADD CONSTRAINT "Element_threadId_fkey"
    FOREIGN KEY ("threadId") REFERENCES "Thread"("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

-- name: Feedback_stepId_fkey
ALTER TABLE "Feedback" ADD CONSTRAINT "Feedback_stepId_fkey"
    FOREIGN KEY ("stepId") REFERENCES "Step"("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

-- name: Step_parentId_fkey
ALTER TABLE "Step" ADD CONSTRAINT "Step_parentId_fkey"
    FOREIGN KEY ("parentId") REFERENCES "Step"("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

-- name: Step_threadId_fkey
ALTER TABLE "Step" ADD CONSTRAINT "Step_threadId_fkey"
    FOREIGN KEY ("threadId") REFERENCES "Thread"("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

-- name: Thread_userId_fkey
ALTER TABLE "Thread" ADD CONSTRAINT "Thread_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES "User"("id")
    ON DELETE SET NULL ON UPDATE CASCADE;
