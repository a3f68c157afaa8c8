// SPDX-License-Identifier: Apache-2.0
#include "store/conversations.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/uuid.h"
#include "store/internal.h"

/* Lower case, with one form of the Greek sigma: lower-casing writes it differently at the end of a word, so that a part
 * of a word would not match. */
static enum xr_code fold(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s, struct xr_err *err) {
    enum { SIGMA_LEAD = 0xCF, FINAL_SIGMA_TAIL = 0x82, SIGMA_TAIL = 0x83 };
    struct xr_str low;
    enum xr_code code = xr_text_lower(arena, s, &low, err);
    if (code != XR_OK)
        return code;
    char *out = xr_arena_alloc(arena, low.len);
    if (!out)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < low.len; i++) {
        unsigned char byte = (unsigned char)low.ptr[i];
        bool final = byte == FINAL_SIGMA_TAIL && i > 0 && (unsigned char)low.ptr[i - 1] == SIGMA_LEAD;
        out[i] = final ? (char)SIGMA_TAIL : (char)byte;
    }
    *ret_s = (struct xr_str){.ptr = out, .len = low.len};
    return XR_OK;
}

static enum xr_code put(struct xr_sql *sql, int64_t now_ns, const struct xr_conversation *c, struct xr_str folded,
                        struct xr_err *err) {
    static const char SQL[] =
        "INSERT INTO conversations (hash, live, created_at, last_run_at, name, name_folded, audio, spec)"
        " VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (hash) DO UPDATE"
        " SET name = excluded.name, name_folded = excluded.name_folded, last_run_at = excluded.last_run_at";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, c->hash, sizeof c->hash);
    xr_stmt_bind_int(stmt, 2, c->live);
    xr_stmt_bind_int(stmt, 3, now_ns);
    xr_stmt_bind_text(stmt, 4, c->name);
    xr_stmt_bind_blob(stmt, 5, folded.ptr, folded.len);
    xr_stmt_bind_blob(stmt, 6, c->audio, c->turn_count * XR_SHA256_SIZE);
    xr_stmt_bind_text(stmt, 7, c->spec);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_store_tx_conversation_put(struct xr_store_tx *tx, const struct xr_conversation *conversation,
                                          struct xr_err *err) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_FOLD_ARENA_MAX);
    struct xr_str folded;
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = fold(arena, conversation->name, &folded, err);
    if (code == XR_OK)
        code = put(xr_store_tx_sql(tx), xr_store_tx_now(tx), conversation, folded, err);
    return code;
}

enum xr_code xr_store_conversation_get(struct xr_store_reader *reader, const uint8_t hash[XR_SHA256_SIZE],
                                       struct xr_arena *arena, struct xr_conversation *ret_conversation,
                                       struct xr_err *err) {
    static const char SQL[] =
        "SELECT id, live, created_at, last_run_at, name, audio, spec FROM conversations WHERE hash = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_reader_sql(reader), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, hash, XR_SHA256_SIZE);
    code = xr_stmt_one(stmt, err);
    if (code != XR_OK)
        return code;
    struct xr_str audio = xr_stmt_str(stmt, 5, arena);
    struct xr_conversation found = {
        .id = xr_stmt_int(stmt, 0),
        .live = xr_stmt_int(stmt, 1) != 0,
        .created_ns = xr_stmt_int(stmt, 2),
        .last_run_ns = xr_stmt_int(stmt, 3),
        .name = xr_stmt_str(stmt, 4, arena),
        .audio = (const uint8_t *)audio.ptr,
        .turn_count = audio.len / XR_SHA256_SIZE,
        .spec = xr_stmt_str(stmt, 6, arena),
    };
    memcpy(found.hash, hash, XR_SHA256_SIZE);
    code = xr_stmt_check(stmt, err);
    if (code == XR_OK && audio.len % XR_SHA256_SIZE != 0)
        code = xr_fail(err, XR_CORRUPT, NULL, "database: a conversation's list of audio is cut");
    if (code == XR_OK)
        *ret_conversation = found;
    return code;
}

/* The newest replays of an item. */
static enum xr_code read_recent(struct xr_sql *sql, struct xr_arena *arena, struct xr_conversation_item *item,
                                struct xr_err *err) {
    static const char SQL[] = "SELECT uuid, lifecycle_state, passed FROM replays WHERE conversation_id = ?1"
                              " ORDER BY id DESC LIMIT ?2";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    size_t most = item->replays < XR_CONVERSATION_RECENT_MAX ? (size_t)item->replays : XR_CONVERSATION_RECENT_MAX;
    struct xr_conversation_recent *recent = xr_arena_array(arena, most, sizeof *recent);
    if (!recent)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    xr_stmt_bind_int(stmt, 1, item->rowid);
    xr_stmt_bind_int(stmt, 2, (int64_t)most);
    bool row = most > 0;
    size_t count = 0;
    while (row && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_uuid uuid = {0};
        xr_stmt_fixed(stmt, 0, uuid.bytes, sizeof uuid.bytes);
        xr_uuid_format(&uuid, recent[count].replay_id);
        recent[count].state = (enum xr_lifecycle)xr_stmt_enum(stmt, 1, XR_LIFECYCLE_COUNT);
        recent[count++].passed = (int)xr_stmt_opt_int(stmt, 2, -1);
    }
    item->recent = recent;
    item->recent_count = count;
    return code;
}

static void read_item(struct xr_stmt *stmt, struct xr_arena *arena, struct xr_conversation_item *item) {
    uint8_t hash[XR_SHA256_SIZE] = {0};
    int64_t replays = xr_stmt_int(stmt, 4);
    xr_stmt_fixed(stmt, 1, hash, sizeof hash);
    xr_hex_encode(hash, sizeof hash, item->hash);
    item->rowid = xr_stmt_int(stmt, 0);
    item->created_ns = xr_stmt_int(stmt, 2);
    item->last_run_ns = xr_stmt_int(stmt, 3);
    item->replays = replays > 0 ? replays : 0;
    item->name = xr_stmt_str(stmt, 5, arena);
}

/* Rows of the statement that list() has bound. */
static enum xr_code read_items(struct xr_sql *sql, struct xr_stmt *stmt, struct xr_rows *rows, struct xr_err *err) {
    bool row = true;
    for (;;) {
        enum xr_code code = xr_stmt_step(stmt, &row, err);
        if (code != XR_OK || !row)
            return code;
        struct xr_conversation_item *item = xr_rows_add(rows, stmt);
        if (!item)
            continue; /* the next step says why */
        read_item(stmt, rows->arena, item);
        code = read_recent(sql, rows->arena, item, err);
        if (code != XR_OK)
            return code;
    }
}

enum xr_code xr_store_conversations_list(struct xr_store_reader *reader, struct xr_str q, int64_t after_last_run_ns,
                                         int64_t after_id, size_t limit, struct xr_arena *arena,
                                         struct xr_conversation_item **ret_items, size_t *ret_count,
                                         struct xr_err *err) {
    static const char SQL[] = "SELECT id, hash, created_at, last_run_at, replays, name FROM conversations"
                              " WHERE (last_run_at, id) < (?1, ?2) AND (?3 IS NULL OR instr(name_folded, ?3) > 0)"
                              " ORDER BY last_run_at DESC, id DESC LIMIT ?4";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_sql *sql = xr_store_reader_sql(reader);
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_items};
    struct xr_str folded = {0};
    bool from_start = after_last_run_ns == XR_TIME_NONE;
    if (limit > XR_LIST_ROWS_MAX)
        return xr_fail(err, XR_TOO_LARGE, NULL, "more than %d rows at once", XR_LIST_ROWS_MAX);
    enum xr_code code = q.len ? fold(arena, q, &folded, err) : XR_OK;
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, from_start ? INT64_MAX : after_last_run_ns);
    xr_stmt_bind_int(stmt, 2, from_start ? INT64_MAX : after_id);
    if (q.len)
        xr_stmt_bind_blob(stmt, 3, folded.ptr, folded.len);
    xr_stmt_bind_int(stmt, 4, (int64_t)limit);
    code = read_items(sql, stmt, &rows, err);
    if (code != XR_OK)
        return code;
    *ret_items = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_tts_cache_get(struct xr_store_reader *reader, const uint8_t key[XR_SHA256_SIZE],
                                    uint8_t ret_sha256[XR_SHA256_SIZE], struct xr_err *err) {
    static const char SQL[] = "SELECT sha256 FROM tts_synth_cache WHERE key = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    uint8_t sha256[XR_SHA256_SIZE];
    enum xr_code code = xr_sql_prepare(xr_store_reader_sql(reader), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, key, XR_SHA256_SIZE);
    code = xr_stmt_one(stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_fixed(stmt, 0, sha256, sizeof sha256);
    code = xr_stmt_check(stmt, err);
    if (code == XR_OK)
        memcpy(ret_sha256, sha256, sizeof sha256);
    return code;
}

enum xr_code xr_store_tx_tts_cache_put(struct xr_store_tx *tx, const struct xr_tts_cache_row *row, struct xr_err *err) {
    /* Two requests may have spoken the same text at the same time: the file of the last one is the one that is kept. */
    static const char SQL[] =
        "INSERT OR REPLACE INTO tts_synth_cache (key, sha256, characters, audio_ms, created_at, provider, model, voice)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, row->key, sizeof row->key);
    xr_stmt_bind_blob(stmt, 2, row->sha256, sizeof row->sha256);
    xr_stmt_bind_int(stmt, 3, row->characters);
    xr_stmt_bind_int(stmt, 4, row->audio_ms);
    xr_stmt_bind_int(stmt, 5, xr_store_tx_now(tx));
    xr_stmt_bind_text(stmt, 6, row->provider);
    xr_stmt_bind_text(stmt, 7, row->model);
    xr_stmt_bind_text(stmt, 8, row->voice);
    return xr_stmt_run(stmt, err);
}

/* Calls each for every 32 bytes of the only column that are not zeros. */
static enum xr_code each_sha256(struct xr_sql *sql, const char *text, void (*each)(const uint8_t *sha256, void *ctx),
                                void *ctx, struct xr_err *err) {
    static const uint8_t NONE[XR_SHA256_SIZE];
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, text, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_str list = xr_stmt_view(stmt, 0);
        for (size_t at = 0; list.len - at >= XR_SHA256_SIZE; at += XR_SHA256_SIZE)
            if (memcmp(list.ptr + at, NONE, sizeof NONE) != 0)
                each((const uint8_t *)list.ptr + at, ctx);
    }
    return code;
}

enum xr_code xr_store_turn_audio_each(struct xr_store_reader *reader,
                                      void (*each)(const uint8_t sha256[XR_SHA256_SIZE], void *ctx), void *ctx,
                                      struct xr_err *err) {
    struct xr_sql *sql = xr_store_reader_sql(reader);
    enum xr_code code = each_sha256(sql, "SELECT audio FROM conversations", each, ctx, err);
    return code == XR_OK ? each_sha256(sql, "SELECT sha256 FROM tts_synth_cache", each, ctx, err) : code;
}
