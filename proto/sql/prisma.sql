-- What `prisma migrate deploy` keeps of the migrations it ran, so that it
-- finds nothing to do after `howdah migrate`. A checksum is the SHA-256 of
-- the migration's file; started_at must differ, Prisma sorts by it. Both times
-- are one: two calls would be made in the order of the table's columns, and
-- finished_at comes first.

-- name: _prisma_migrations
CREATE TABLE "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
);

-- name: 20250103173917_init_data_layer
INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name",
    "started_at", "finished_at", "applied_steps_count")
SELECT gen_random_uuid(),
    '38ac3578a9e64c9a195704627e6d25b3f62ac5dbddd130b0fb21a2116823b31c',
    '20250103173917_init_data_layer', now, now, 1
FROM clock_timestamp() AS now;

-- name: 20250108095538_add_tags_to_thread
INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name",
    "started_at", "finished_at", "applied_steps_count")
SELECT gen_random_uuid(),
    'b7de4e5da56422ebc9cf682fe6941b97374dafee78d23d4f3524a72444a72707',
    '20250108095538_add_tags_to_thread', now, now, 1
FROM clock_timestamp() AS now;

-- name: give_up_failed
UPDATE "_prisma_migrations" SET "rolled_back_at" = now()
WHERE "finished_at" IS NULL AND "rolled_back_at" IS NULL
    AND "migration_name" IN ('20250103173917_init_data_layer',
        '20250108095538_add_tags_to_thread');
