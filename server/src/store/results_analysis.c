// SPDX-License-Identifier: Apache-2.0
/* Segments, turns, levels; transcripts; metrics. */
#include "store/internal.h"
#include "store/results.h"
#include "store/results_put.h"

static enum xr_code put_segment(struct xr_sql *sql, int64_t replay_id, int64_t id, const struct xr_segment *segment,
                                struct xr_err *err) {
    static const char SQL[] = "INSERT INTO speech_segments (replay_id, id, channel, start_ns, end_ns,"
                              " start_uncertainty_ms, end_uncertainty_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, id);
    xr_stmt_bind_int(stmt, 3, segment->channel);
    xr_stmt_bind_int(stmt, 4, segment->start_ns);
    xr_stmt_bind_int(stmt, 5, segment->end_ns);
    xr_stmt_bind_opt_int(stmt, 6, segment->start_uncertainty_ms, -1);
    xr_stmt_bind_opt_int(stmt, 7, segment->end_uncertainty_ms, -1);
    return xr_stmt_run(stmt, err);
}

static enum xr_code put_turn(struct xr_sql *sql, int64_t replay_id, const struct xr_turn *turn, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO replay_turns (replay_id, idx, role, turn_start_ns, turn_end_ns,"
                              " voice_start_ns, voice_end_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, turn->idx);
    xr_stmt_bind_int(stmt, 3, turn->role);
    xr_stmt_bind_int(stmt, 4, turn->turn_start_ns);
    xr_stmt_bind_int(stmt, 5, turn->turn_end_ns);
    xr_stmt_bind_int(stmt, 6, turn->voice_start_ns);
    xr_stmt_bind_int(stmt, 7, turn->voice_end_ns);
    return xr_stmt_run(stmt, err);
}

enum { LEVELS_OF_A_CHANNEL = 3 };

static enum xr_code put_levels(struct xr_sql *sql, int64_t replay_id, const struct xr_vad_levels *levels,
                               struct xr_err *err) {
    static const char SQL[] = "UPDATE replays SET user_noise_floor_dbfs = ?2, user_speech_dbfs = ?3,"
                              " user_threshold_dbfs = ?4, agent_noise_floor_dbfs = ?5, agent_speech_dbfs = ?6,"
                              " agent_threshold_dbfs = ?7 WHERE id = ?1";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    for (int i = 0; levels && i < XR_CHANNEL_COUNT; i++) {
        int param = 2 + LEVELS_OF_A_CHANNEL * i;
        xr_stmt_bind_real(stmt, param, levels[i].noise_floor_dbfs);
        xr_stmt_bind_real(stmt, param + 1, levels[i].speech_dbfs);
        xr_stmt_bind_real(stmt, param + 2, levels[i].threshold_dbfs);
    }
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_analysis_put(struct xr_store_tx *tx, int64_t replay_id, const struct xr_segment *segments,
                                      size_t segment_count, const struct xr_turn *turns, size_t turn_count,
                                      const struct xr_vad_levels levels[XR_CHANNEL_COUNT], struct xr_err *err) {
    static const char *const DELETES[] = {"DELETE FROM speech_segments WHERE replay_id = ?1",
                                          "DELETE FROM replay_turns WHERE replay_id = ?1", NULL};
    struct xr_sql *sql;
    enum xr_code code = xr_results_begin(tx, replay_id, DELETES, &sql, err);
    if (code != XR_OK)
        return code;
    for (size_t i = 0; code == XR_OK && i < segment_count; i++)
        code = put_segment(sql, replay_id, (int64_t)i + 1, &segments[i], err);
    for (size_t i = 0; code == XR_OK && i < turn_count; i++)
        code = put_turn(sql, replay_id, &turns[i], err);
    return code == XR_OK ? put_levels(sql, replay_id, levels, err) : code;
}

enum xr_code xr_store_segments_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                   struct xr_segment_row **ret_rows, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT id, channel, start_ns, end_ns, start_uncertainty_ms, end_uncertainty_ms"
                              " FROM speech_segments WHERE replay_id = ?1 ORDER BY start_ns, channel, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_rows};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_segment_row *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_segment_row){
                .id = xr_stmt_int(stmt, 0),
                .segment = {.channel = (enum xr_channel)xr_stmt_enum(stmt, 1, XR_CHANNEL_COUNT),
                            .start_ns = xr_stmt_int(stmt, 2),
                            .end_ns = xr_stmt_int(stmt, 3),
                            .start_uncertainty_ms = (int32_t)xr_stmt_opt_int(stmt, 4, -1),
                            .end_uncertainty_ms = (int32_t)xr_stmt_opt_int(stmt, 5, -1)},
            };
    }
    if (code != XR_OK)
        return code;
    *ret_rows = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_turns_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                struct xr_turn **ret_turns, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT idx, role, turn_start_ns, turn_end_ns, voice_start_ns, voice_end_ns"
                              " FROM replay_turns WHERE replay_id = ?1 ORDER BY idx";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_turns};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_turn *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_turn){
                .idx = xr_stmt_int(stmt, 0),
                .role = (enum xr_channel)xr_stmt_enum(stmt, 1, XR_CHANNEL_COUNT),
                .turn_start_ns = xr_stmt_int(stmt, 2),
                .turn_end_ns = xr_stmt_int(stmt, 3),
                .voice_start_ns = xr_stmt_int(stmt, 4),
                .voice_end_ns = xr_stmt_int(stmt, 5),
                .voice_start_uncertainty_ms = -1,
                .voice_end_uncertainty_ms = -1,
            };
    }
    if (code != XR_OK)
        return code;
    *ret_turns = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_levels_get(struct xr_store_reader *reader, int64_t replay_id,
                                 struct xr_vad_levels ret_levels[XR_CHANNEL_COUNT], struct xr_err *err) {
    static const char SQL[] = "SELECT user_noise_floor_dbfs, user_speech_dbfs, user_threshold_dbfs,"
                              " agent_noise_floor_dbfs, agent_speech_dbfs, agent_threshold_dbfs FROM replays"
                              " WHERE id = ?1 AND user_noise_floor_dbfs IS NOT NULL";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    if (code == XR_OK)
        code = xr_stmt_one(stmt, err);
    for (int i = 0; code == XR_OK && i < XR_CHANNEL_COUNT; i++) {
        int column = LEVELS_OF_A_CHANNEL * i;
        ret_levels[i] = (struct xr_vad_levels){
            .noise_floor_dbfs = xr_stmt_real(stmt, column),
            .speech_dbfs = xr_stmt_real(stmt, column + 1),
            .threshold_dbfs = xr_stmt_real(stmt, column + 2),
        };
    }
    return code;
}

static enum xr_code put_transcript(struct xr_sql *sql, int64_t replay_id, const struct xr_transcript_row *row,
                                   struct xr_err *err) {
    static const char SQL[] = "INSERT INTO turn_transcripts (replay_id, turn_idx, language, duration_ms, provider,"
                              " model, text, words) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, row->turn_idx);
    xr_stmt_bind_str(stmt, 3, row->language);
    xr_stmt_bind_int(stmt, 4, row->duration_ms);
    xr_stmt_bind_text(stmt, 5, row->provider);
    xr_stmt_bind_text(stmt, 6, row->model);
    xr_stmt_bind_text(stmt, 7, row->text);
    xr_stmt_bind_str(stmt, 8, row->words_json);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_transcripts_put(struct xr_store_tx *tx, int64_t replay_id,
                                         const struct xr_transcript_row *rows, size_t count, struct xr_err *err) {
    static const char *const DELETES[] = {"DELETE FROM turn_transcripts WHERE replay_id = ?1", NULL};
    struct xr_sql *sql;
    enum xr_code code = xr_results_begin(tx, replay_id, DELETES, &sql, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        code = put_transcript(sql, replay_id, &rows[i], err);
    return code;
}

enum xr_code xr_store_transcripts_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                      struct xr_transcript_row **ret_rows, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT turn_idx, text, language, words, duration_ms, provider, model"
                              " FROM turn_transcripts WHERE replay_id = ?1 ORDER BY turn_idx";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_rows};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_transcript_row *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_transcript_row){
                .turn_idx = xr_stmt_int(stmt, 0),
                .text = xr_stmt_str(stmt, 1, arena),
                .language = xr_stmt_str(stmt, 2, arena),
                .words_json = xr_stmt_str(stmt, 3, arena),
                .duration_ms = xr_stmt_int(stmt, 4),
                .provider = xr_stmt_str(stmt, 5, arena),
                .model = xr_stmt_str(stmt, 6, arena),
            };
    }
    if (code != XR_OK)
        return code;
    *ret_rows = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

static enum xr_code put_metric(struct xr_sql *sql, int64_t replay_id, const struct xr_turn_metric *metric,
                               struct xr_err *err) {
    static const char SQL[] =
        "INSERT INTO replay_metrics (replay_id, turn_idx, role, agent_response_ms, agent_response_uncertainty_ms,"
        " interrupted, interruption_start_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    struct xr_stmt *stmt;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, metric->turn_idx);
    xr_stmt_bind_int(stmt, 3, metric->role);
    xr_stmt_bind_opt_int(stmt, 4, metric->agent_response_ms, -1);
    xr_stmt_bind_opt_int(stmt, 5, metric->agent_response_uncertainty_ms, -1);
    xr_stmt_bind_int(stmt, 6, metric->interrupted);
    xr_stmt_bind_opt_int(stmt, 7, metric->interruption_start_ms, -1);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_metrics_put(struct xr_store_tx *tx, int64_t replay_id, const struct xr_turn_metric *metrics,
                                     size_t count, int64_t median_ms, int64_t p95_ms, struct xr_err *err) {
    static const char *const DELETES[] = {"DELETE FROM replay_metrics WHERE replay_id = ?1", NULL};
    static const char SQL[] = "UPDATE replays SET response_median_ms = ?2, response_p95_ms = ?3 WHERE id = ?1";
    struct xr_sql *sql;
    struct xr_stmt *stmt;
    enum xr_code code = xr_results_begin(tx, replay_id, DELETES, &sql, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        code = put_metric(sql, replay_id, &metrics[i], err);
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_opt_int(stmt, 2, median_ms, -1);
    xr_stmt_bind_opt_int(stmt, 3, p95_ms, -1);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_metrics_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                  struct xr_turn_metric **ret_metrics, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT turn_idx, role, agent_response_ms, agent_response_uncertainty_ms, interrupted,"
                              " interruption_start_ms FROM replay_metrics WHERE replay_id = ?1 ORDER BY turn_idx";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_metrics};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_turn_metric *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_turn_metric){
                .turn_idx = xr_stmt_int(stmt, 0),
                .role = (enum xr_channel)xr_stmt_enum(stmt, 1, XR_CHANNEL_COUNT),
                .agent_response_ms = xr_stmt_opt_int(stmt, 2, -1),
                .agent_response_uncertainty_ms = xr_stmt_opt_int(stmt, 3, -1),
                .interrupted = xr_stmt_int(stmt, 4) != 0,
                .interruption_start_ms = xr_stmt_opt_int(stmt, 5, -1),
            };
    }
    if (code != XR_OK)
        return code;
    *ret_metrics = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}
