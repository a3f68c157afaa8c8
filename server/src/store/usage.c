// SPDX-License-Identifier: Apache-2.0
#include "store/usage.h"
#include "store/internal.h"
#include "store/results_put.h"

#define NUMBERS "calls, input_tokens, output_tokens, audio_ms, characters"
/* SQLite would go on with a floating-point number. */
#define LARGEST "9223372036854775807"
#define ADD(column)                                                                                                    \
    " " column " = CASE WHEN excluded." column " IS NULL THEN " column " WHEN " column                                 \
    " IS NULL THEN excluded." column " WHEN " column " > " LARGEST " - excluded." column " THEN " LARGEST              \
    " ELSE " column " + excluded." column " END"
#define ADD_UP                                                                                                         \
    " DO UPDATE SET" ADD("calls") "," ADD("input_tokens") "," ADD("output_tokens") "," ADD("audio_ms") "," ADD(        \
        "characters")

const char *xr_usage_stage_name(enum xr_usage_stage stage) {
    static const char *const NAMES[XR_USAGE_STAGE_COUNT] = {
        [XR_USAGE_TTS] = "tts", [XR_USAGE_TRANSCRIPTION] = "transcription", [XR_USAGE_JUDGE] = "judge"};
    return (unsigned)stage < XR_USAGE_STAGE_COUNT ? NAMES[stage] : "unknown";
}

/* Parameters 2 to 8, whatever the first one is. */
static void bind_row(struct xr_stmt *stmt, const struct xr_usage_row *row) {
    xr_stmt_bind_text(stmt, 2, row->provider);
    xr_stmt_bind_text(stmt, 3, row->model);
    xr_stmt_bind_int(stmt, 4, row->calls);
    xr_stmt_bind_opt_int(stmt, 5, row->input_tokens, -1);
    xr_stmt_bind_opt_int(stmt, 6, row->output_tokens, -1);
    xr_stmt_bind_opt_int(stmt, 7, row->audio_ms, -1);
    xr_stmt_bind_opt_int(stmt, 8, row->characters, -1);
}

enum xr_code xr_store_tx_usage_add(struct xr_store_tx *tx, int64_t replay_id, const struct xr_usage_row *row,
                                   struct xr_err *err) {
    static const char SQL[] = "INSERT INTO evaluation_usage (replay_id, provider, model, " NUMBERS ", stage)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                              " ON CONFLICT (replay_id, stage, provider, model)" ADD_UP;
    static const char *const DELETES[] = {NULL};
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_sql *sql;
    enum xr_code code = xr_results_begin(tx, replay_id, DELETES, &sql, err);
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    bind_row(stmt, row);
    xr_stmt_bind_int(stmt, 9, row->stage);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_usage_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                struct xr_usage_row **ret_rows, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT stage, provider, model, " NUMBERS " FROM evaluation_usage WHERE replay_id = ?1"
                              " ORDER BY stage, provider, model";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_rows};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_usage_row *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_usage_row){
                .stage = (enum xr_usage_stage)xr_stmt_enum(stmt, 0, XR_USAGE_STAGE_COUNT),
                .provider = xr_stmt_str(stmt, 1, arena),
                .model = xr_stmt_str(stmt, 2, arena),
                .calls = xr_stmt_int(stmt, 3),
                .input_tokens = xr_stmt_opt_int(stmt, 4, -1),
                .output_tokens = xr_stmt_opt_int(stmt, 5, -1),
                .audio_ms = xr_stmt_opt_int(stmt, 6, -1),
                .characters = xr_stmt_opt_int(stmt, 7, -1),
            };
    }
    if (code != XR_OK)
        return code;
    *ret_rows = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_tx_speech_usage_add(struct xr_store_tx *tx, const uint8_t conversation_hash[XR_SHA256_SIZE],
                                          const struct xr_usage_row *row, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO speech_usage (conversation_id, provider, model, " NUMBERS ")"
                              " SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM conversations WHERE hash = ?1"
                              " ON CONFLICT (conversation_id, provider, model)" ADD_UP;
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_sql *sql = xr_store_tx_sql(tx);
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, conversation_hash, XR_SHA256_SIZE);
    bind_row(stmt, row);
    code = xr_stmt_run(stmt, err);
    if (code == XR_OK && xr_sql_changes(sql) == 0)
        code = xr_fail(err, XR_NOT_FOUND, NULL, "no such conversation");
    return code;
}

static enum xr_code take_speech(struct xr_sql *sql, int64_t conversation_id, int64_t replay_id, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO evaluation_usage (replay_id, stage, provider, model, " NUMBERS ")"
                              " SELECT ?2, ?3, provider, model, " NUMBERS " FROM speech_usage"
                              " WHERE conversation_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, conversation_id);
    xr_stmt_bind_int(stmt, 2, replay_id);
    xr_stmt_bind_int(stmt, 3, XR_USAGE_TTS);
    return xr_stmt_run(stmt, err);
}

static enum xr_code forget_speech(struct xr_sql *sql, int64_t conversation_id, struct xr_err *err) {
    static const char SQL[] = "DELETE FROM speech_usage WHERE conversation_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, conversation_id);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_speech_usage_move(struct xr_store_tx *tx, int64_t conversation_id, int64_t replay_id,
                                           struct xr_err *err) {
    struct xr_sql *sql = xr_store_tx_sql(tx);
    enum xr_code code = take_speech(sql, conversation_id, replay_id, err);
    if (code == XR_OK && xr_sql_changes(sql) > 0)
        code = forget_speech(sql, conversation_id, err);
    return code;
}
