-- Howdah's own indexes on the chat tables. They are built in the background,
-- outside any transaction and outside Prisma's lock; a changed definition
-- gets a new name. All names begin with howdah_: that is how `howdah
-- uninstall` knows them.

-- name: howdah_thread_user_updated
-- Chainlit's list of threads: WHERE "userId" = $1 ORDER BY "updatedAt" DESC
-- LIMIT 36, and a COUNT over "userId" for each of its rows. Without this both
-- read the whole table. Favourites (the threads of a user, then their steps)
-- and the deletion of a user use it too. "id" is left out: pages are cut by
-- a strict < on "updatedAt".
CREATE INDEX CONCURRENTLY "howdah_thread_user_updated"
    ON "Thread" ("userId", "updatedAt" DESC);
