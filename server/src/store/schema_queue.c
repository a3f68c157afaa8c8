// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

/* The schema is here, with the other one; every statement on these tables is in queue/. */
static const char *const MIGRATIONS[] = {
    "CREATE TABLE jobs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "  replay_id INTEGER NOT NULL UNIQUE,     -- replays.id in xray.db: one live job a replay\n"
    "  replay_uuid BLOB NOT NULL CHECK (length(replay_uuid) = 16),\n"
    "  stage INTEGER NOT NULL,                -- 0 analyze-replay, 1 calculate-metrics, 2 evaluate-replay\n"
    "  state INTEGER NOT NULL,                -- 0 queued, 1 running\n"
    "  attempt INTEGER NOT NULL,              -- of this stage, counted when it is claimed\n"
    "  lost INTEGER NOT NULL,                 -- attempts that ended with a lost lease\n"
    "  due_ns INTEGER NOT NULL,               -- not claimed before; times are nanoseconds since 1970, UTC\n"
    "  lease_ns INTEGER,                      -- running: when the lease ends\n"
    "  created_ns INTEGER NOT NULL,\n"
    "  last_error TEXT\n"
    ") STRICT;"
    "CREATE INDEX jobs_by_due ON jobs (state, due_ns, id);"
    "CREATE INDEX jobs_by_lease ON jobs (lease_ns) WHERE state = 1;"
    "CREATE TABLE dead_letters ("
    "  id INTEGER PRIMARY KEY,                -- the job's\n"
    "  replay_id INTEGER NOT NULL,\n"
    "  replay_uuid BLOB NOT NULL CHECK (length(replay_uuid) = 16),\n"
    "  stage INTEGER NOT NULL,\n"
    "  state INTEGER NOT NULL,\n"
    "  attempt INTEGER NOT NULL,\n"
    "  lost INTEGER NOT NULL,\n"
    "  due_ns INTEGER NOT NULL,\n"
    "  lease_ns INTEGER,\n"
    "  created_ns INTEGER NOT NULL,\n"
    "  last_error TEXT,\n"
    "  buried_ns INTEGER NOT NULL,\n"
    "  reason TEXT NOT NULL\n"
    ") STRICT;"
    "CREATE INDEX dead_letters_by_replay ON dead_letters (replay_id);",
};

const struct xr_schema XR_QUEUE_SCHEMA = {
    .application_id = 0x78727971, /* "xryq" */
    .migrations = MIGRATIONS,
    .count = sizeof MIGRATIONS / sizeof MIGRATIONS[0],
};
