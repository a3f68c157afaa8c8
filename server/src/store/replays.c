// SPDX-License-Identifier: Apache-2.0
#include "store/replays.h"
#include "base/limits.h"
#include "store/internal.h"
#include "store/usage.h"

/* The columns of struct xr_replay, in the order that read_row() wants. */
#define SELECT_REPLAY                                                                                                  \
    "SELECT r.id, r.uuid, r.conversation_id, c.hash, c.live, r.lifecycle_state, r.analysis_step, r.failure_reason,"    \
    " r.seq, r.started_at, r.finished_at, r.recording_started_at, r.has_audio, r.job_id, r.passed,"                    \
    " r.response_median_ms, r.response_p95_ms"
#define FROM_REPLAYS " FROM replays r JOIN conversations c ON c.id = r.conversation_id "
enum { COLUMN_RUN_CONFIG = 17 };

static struct xr_replay read_row(struct xr_stmt *stmt) {
    struct xr_replay replay = {
        .id = xr_stmt_int(stmt, 0),
        .conversation_id = xr_stmt_int(stmt, 2),
        .live = xr_stmt_int(stmt, 4) != 0,
        .state = (enum xr_lifecycle)xr_stmt_enum(stmt, 5, XR_LIFECYCLE_COUNT),
        .step = (enum xr_step)xr_stmt_enum(stmt, 6, XR_STEP_COUNT),
        .reason = (enum xr_reason)xr_stmt_enum(stmt, 7, XR_REASON_COUNT),
        .seq = xr_stmt_int(stmt, 8),
        .started_ns = xr_stmt_int(stmt, 9),
        .finished_ns = xr_stmt_opt_int(stmt, 10, XR_TIME_NONE),
        .recording_started_ns = xr_stmt_opt_int(stmt, 11, XR_TIME_NONE),
        .has_audio = xr_stmt_int(stmt, 12) != 0,
        .job_id = xr_stmt_opt_int(stmt, 13, -1),
        .passed = (int)xr_stmt_opt_int(stmt, 14, -1),
        .response_median_ms = xr_stmt_opt_int(stmt, 15, -1),
        .response_p95_ms = xr_stmt_opt_int(stmt, 16, -1),
    };
    xr_stmt_fixed(stmt, 1, replay.uuid.bytes, sizeof replay.uuid.bytes);
    xr_stmt_fixed(stmt, 3, replay.conversation_hash, sizeof replay.conversation_hash);
    return replay;
}

/* The one row of a statement that is bound; run_config too if there is an arena. */
static enum xr_code read_one(struct xr_stmt *stmt, struct xr_arena *arena, struct xr_replay *ret_replay,
                             struct xr_err *err) {
    enum xr_code code = xr_stmt_one(stmt, err);
    if (code != XR_OK)
        return code;
    struct xr_replay replay = read_row(stmt);
    if (arena)
        replay.run_config = xr_stmt_str(stmt, COLUMN_RUN_CONFIG, arena);
    code = xr_stmt_check(stmt, err);
    if (code == XR_OK)
        *ret_replay = replay;
    return code;
}

enum xr_code xr_store_replay_get(struct xr_store_reader *reader, const struct xr_uuid *uuid, struct xr_arena *arena,
                                 struct xr_replay *ret_replay, struct xr_err *err) {
    static const char SQL[] = SELECT_REPLAY ", r.run_config" FROM_REPLAYS "WHERE r.uuid = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_reader_sql(reader), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, uuid->bytes, sizeof uuid->bytes);
    return read_one(stmt, arena, ret_replay, err);
}

enum xr_code xr_store_replays_list(struct xr_store_reader *reader, int64_t conversation_id, int64_t after_id,
                                   size_t limit, struct xr_arena *arena, struct xr_replay **ret_replays,
                                   size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = SELECT_REPLAY ", r.run_config" FROM_REPLAYS
                                            "WHERE r.conversation_id = ?1 AND r.id < ?2 ORDER BY r.id DESC LIMIT ?3";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_replays};
    if (limit > XR_LIST_ROWS_MAX)
        return xr_fail(err, XR_TOO_LARGE, NULL, "more than %d rows at once", XR_LIST_ROWS_MAX);
    enum xr_code code = xr_sql_prepare(xr_store_reader_sql(reader), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, conversation_id);
    xr_stmt_bind_int(stmt, 2, after_id ? after_id : INT64_MAX);
    xr_stmt_bind_int(stmt, 3, (int64_t)limit);
    bool row = true;
    while ((code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_replay *replay = xr_rows_add(&rows, stmt);
        if (!replay)
            continue; /* the next step says why */
        *replay = read_row(stmt);
        replay->run_config = xr_stmt_str(stmt, COLUMN_RUN_CONFIG, arena);
    }
    if (code != XR_OK)
        return code;
    *ret_replays = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_tx_replay_get(struct xr_store_tx *tx, const struct xr_uuid *uuid, struct xr_replay *ret_replay,
                                    struct xr_err *err) {
    static const char SQL[] = SELECT_REPLAY FROM_REPLAYS "WHERE r.uuid = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, uuid->bytes, sizeof uuid->bytes);
    return read_one(stmt, NULL, ret_replay, err);
}

enum xr_code xr_store_tx_replay_by_id(struct xr_store_tx *tx, int64_t replay_id, struct xr_replay *ret_replay,
                                      struct xr_err *err) {
    static const char SQL[] = SELECT_REPLAY FROM_REPLAYS "WHERE r.id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    return read_one(stmt, NULL, ret_replay, err);
}

/* Counts one more replay of a conversation, run now. */
static enum xr_code note_run(struct xr_store_tx *tx, const uint8_t hash[XR_SHA256_SIZE], int64_t *ret_id,
                             struct xr_err *err) {
    static const char SQL[] =
        "UPDATE conversations SET last_run_at = ?2, replays = replays + 1 WHERE hash = ?1 RETURNING id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, hash, XR_SHA256_SIZE);
    xr_stmt_bind_int(stmt, 2, xr_store_tx_now(tx));
    code = xr_stmt_one(stmt, err);
    if (code == XR_NOT_FOUND)
        return xr_fail(err, code, NULL, "no such conversation");
    if (code == XR_OK)
        *ret_id = xr_stmt_int(stmt, 0);
    return code;
}

static enum xr_code insert_row(struct xr_store_tx *tx, const struct xr_uuid *uuid, int64_t conversation_id,
                               struct xr_str run_config, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO replays (uuid, conversation_id, lifecycle_state, analysis_step,"
                              " failure_reason, seq, started_at, touched_at, run_config)"
                              " VALUES (?1, ?2, ?3, 0, 0, 1, ?4, ?4, ?5)";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, uuid->bytes, sizeof uuid->bytes);
    xr_stmt_bind_int(stmt, 2, conversation_id);
    xr_stmt_bind_int(stmt, 3, XR_PENDING);
    xr_stmt_bind_int(stmt, 4, xr_store_tx_now(tx));
    xr_stmt_bind_str(stmt, 5, run_config);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_replay_create(struct xr_store_tx *tx, const struct xr_uuid *uuid,
                                       const uint8_t conversation_hash[XR_SHA256_SIZE], struct xr_str run_config,
                                       struct xr_err *err) {
    int64_t conversation_id = 0;
    enum xr_code code = note_run(tx, conversation_hash, &conversation_id, err);
    if (code == XR_OK)
        code = insert_row(tx, uuid, conversation_id, run_config, err);
    if (code == XR_OK)
        code = xr_store_tx_speech_usage_move(tx, conversation_id, xr_sql_last_id(xr_store_tx_sql(tx)), err);
    return code;
}

/* The row as it will be. What the change does not speak of stays; a retry forgets how the last run ended. */
static struct xr_replay changed(const struct xr_replay *before, const struct xr_replay_change *change, int64_t now_ns) {
    struct xr_replay after = *before;
    bool terminal = xr_lifecycle_terminal(change->to);
    int64_t finished_ns = change->finished_ns == XR_TIME_NONE ? now_ns : change->finished_ns;
    after.state = change->to;
    after.step = change->to == XR_ANALYZING ? change->step : XR_STEP_NONE;
    after.reason = change->to == XR_FAILED_STATE ? change->reason : XR_REASON_NONE;
    after.finished_ns = terminal ? finished_ns : XR_TIME_NONE;
    after.passed = change->to == XR_COMPLETED ? change->passed != 0 : -1;
    after.seq = before->seq + 1;
    if (change->set_recording) {
        after.has_audio = true;
        after.recording_started_ns = change->recording_started_ns;
    }
    if (change->job_id != -1)
        after.job_id = change->job_id;
    return after;
}

static enum xr_code write_row(struct xr_store_tx *tx, const struct xr_replay *row, struct xr_err *err) {
    static const char SQL[] = "UPDATE replays SET lifecycle_state = ?2, analysis_step = ?3, failure_reason = ?4,"
                              " seq = ?5, finished_at = ?6, recording_started_at = ?7, has_audio = ?8, job_id = ?9,"
                              " passed = ?10, touched_at = ?11 WHERE id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, row->id);
    xr_stmt_bind_int(stmt, 2, row->state);
    xr_stmt_bind_int(stmt, 3, row->step);
    xr_stmt_bind_int(stmt, 4, row->reason);
    xr_stmt_bind_int(stmt, 5, row->seq);
    xr_stmt_bind_opt_int(stmt, 6, row->finished_ns, XR_TIME_NONE);
    xr_stmt_bind_opt_int(stmt, 7, row->recording_started_ns, XR_TIME_NONE);
    xr_stmt_bind_int(stmt, 8, row->has_audio);
    xr_stmt_bind_opt_int(stmt, 9, row->job_id, -1);
    xr_stmt_bind_opt_int(stmt, 10, row->passed, -1);
    xr_stmt_bind_int(stmt, 11, xr_store_tx_now(tx));
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_replay_change(struct xr_store_tx *tx, int64_t replay_id, const struct xr_replay_change *change,
                                       struct xr_replay *ret_replay, struct xr_err *err) {
    struct xr_replay before;
    enum xr_code code = xr_store_tx_replay_by_id(tx, replay_id, &before, err);
    if (code != XR_OK)
        return code;
    bool ready = change->actor != XR_BY_RETRY || before.has_audio;
    if (!ready || !xr_lifecycle_allowed(change->actor, before.state, change->to)) {
        *ret_replay = before;
        return xr_fail(err, XR_CONFLICT, NULL, "a replay that is %s cannot become %s%s",
                       xr_lifecycle_name(before.state), xr_lifecycle_name(change->to),
                       ready ? "" : " without a recording");
    }
    struct xr_replay after = changed(&before, change, xr_store_tx_now(tx));
    code = write_row(tx, &after, err);
    if (code == XR_OK)
        *ret_replay = after;
    return code;
}

enum xr_code xr_store_tx_replay_step(struct xr_store_tx *tx, int64_t replay_id, enum xr_step step, int64_t *ret_seq,
                                     struct xr_err *err) {
    static const char SQL[] = "UPDATE replays SET analysis_step = ?2, seq = seq + 1, touched_at = ?3"
                              " WHERE id = ?1 AND lifecycle_state = ?4 RETURNING seq";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, step);
    xr_stmt_bind_int(stmt, 3, xr_store_tx_now(tx));
    xr_stmt_bind_int(stmt, 4, XR_ANALYZING);
    code = xr_stmt_one(stmt, err);
    if (code == XR_NOT_FOUND)
        return xr_fail(err, XR_CONFLICT, NULL, "the replay is not being analyzed any more");
    if (code == XR_OK)
        *ret_seq = xr_stmt_int(stmt, 0);
    return code;
}

/* Sets one integer of one replay. */
static enum xr_code set_one(struct xr_store_tx *tx, const char *text, int64_t replay_id, int64_t value,
                            struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_sql *sql = xr_store_tx_sql(tx);
    enum xr_code code = xr_sql_prepare(sql, text, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, value);
    code = xr_stmt_run(stmt, err);
    if (code == XR_OK && xr_sql_changes(sql) == 0)
        code = xr_fail(err, XR_NOT_FOUND, NULL, "no such replay");
    return code;
}

enum xr_code xr_store_tx_replay_touch(struct xr_store_tx *tx, int64_t replay_id, struct xr_err *err) {
    return set_one(tx, "UPDATE replays SET touched_at = ?2 WHERE id = ?1", replay_id, xr_store_tx_now(tx), err);
}

enum xr_code xr_store_tx_replay_job(struct xr_store_tx *tx, int64_t replay_id, int64_t job_id, struct xr_err *err) {
    return set_one(tx, "UPDATE replays SET job_id = ?2 WHERE id = ?1", replay_id, job_id, err);
}

enum xr_code xr_store_tx_replays_stall(struct xr_store_tx *tx, int64_t before_ns, struct xr_replay_ref *refs,
                                       size_t max, size_t *ret_count, struct xr_err *err) {
    /* The states are written out so that the partial index on them is used: pending and running. */
    static const char SQL[] = "UPDATE replays SET lifecycle_state = ?3, failure_reason = ?4, finished_at = ?5,"
                              " touched_at = ?5, seq = seq + 1 WHERE id IN (SELECT id FROM replays"
                              " WHERE lifecycle_state IN (0, 1) AND touched_at < ?1 ORDER BY touched_at LIMIT ?2)"
                              " RETURNING id, uuid, seq";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, before_ns);
    xr_stmt_bind_int(stmt, 2, max < INT64_MAX ? (int64_t)max : INT64_MAX);
    xr_stmt_bind_int(stmt, 3, XR_FAILED_STATE);
    xr_stmt_bind_int(stmt, 4, XR_REASON_STALLED);
    xr_stmt_bind_int(stmt, 5, xr_store_tx_now(tx));
    size_t count = 0;
    bool row = true;
    while ((code = xr_stmt_step(stmt, &row, err)) == XR_OK && row && count < max) {
        refs[count].id = xr_stmt_int(stmt, 0);
        xr_stmt_fixed(stmt, 1, refs[count].uuid.bytes, sizeof refs[count].uuid.bytes);
        refs[count++].seq = xr_stmt_int(stmt, 2);
    }
    if (code == XR_OK)
        *ret_count = count;
    return code;
}

enum xr_code xr_store_tx_replays_analyzing(struct xr_store_tx *tx,
                                           void (*each)(const struct xr_replay *replay, void *ctx), void *ctx,
                                           struct xr_err *err) {
    static const char SQL[] = SELECT_REPLAY FROM_REPLAYS "WHERE r.lifecycle_state = 3 ORDER BY r.id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_replay replay = read_row(stmt);
        code = xr_stmt_check(stmt, err);
        if (code == XR_OK)
            each(&replay, ctx);
    }
    return code;
}

enum xr_code xr_store_recordings_each(struct xr_store_reader *reader,
                                      void (*each)(const struct xr_uuid *uuid, void *ctx), void *ctx,
                                      struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code =
        xr_sql_prepare(xr_store_reader_sql(reader), "SELECT uuid FROM replays WHERE has_audio = 1", &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_uuid uuid;
        xr_stmt_fixed(stmt, 0, uuid.bytes, sizeof uuid.bytes);
        code = xr_stmt_check(stmt, err);
        if (code == XR_OK)
            each(&uuid, ctx);
    }
    return code;
}
