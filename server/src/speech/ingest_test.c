// SPDX-License-Identifier: Apache-2.0
/* From a parsed conversation to its row, with the real store and files and a provider that does as it is told. */
#include "base/limits.h"
#include "base/test.h"
#include "providers/fake.h"
#include "speech/ingest.h"
#include "store/fault_vfs.h"
#include "store/writer_testkit.h"
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_S = 77 };

struct rig {
    struct xr_test_store *t;
    struct xr_files *files;
    struct xr_pool *pool;
    struct xr_providers *fake;
    struct xr_providers_config config;
    struct xr_ingest *ingest;
    pthread_mutex_t lock;
    pthread_cond_t answered;
};

/* One upsert of a test. */
struct upsert {
    struct rig *rig;
    struct xr_arena *arena;
    struct xr_spec spec;
    struct xr_ingest_call call;
    int answers;
};

static int setup(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->t = xr_test_store_make();
    rig->t->options.vfs = fault_vfs_name();
    assert_int_equal(xr_test_store_open(rig->t, NULL), XR_OK);
    rig->config = fake_config();
    rig->fake = fake_new();
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->answered, NULL);
    assert_int_equal(xr_files_open(rig->t->dir, &rig->files, NULL), XR_OK);
    assert_int_equal(xr_pool_new("test", 2, XR_TASKS_MAX, &rig->pool, NULL), XR_OK);
    const struct xr_ingest_deps deps = {.store = rig->t->store,
                                        .files = rig->files,
                                        .providers = rig->fake,
                                        .config = &rig->config,
                                        .pool = rig->pool,
                                        .clock = &rig->t->clock,
                                        .timeout_s = TIMEOUT_S};
    assert_int_equal(xr_ingest_new(&deps, &rig->ingest, NULL), XR_OK);
    *state = rig;
    return 0;
}

static int teardown(void **state) {
    struct rig *rig = *state;
    void *store = rig->t;
    fake_free(rig->fake);
    xr_pool_free(rig->pool);
    xr_ingest_free(rig->ingest);
    xr_files_free(rig->files);
    xr_test_store_teardown(&store);
    pthread_cond_destroy(&rig->answered);
    pthread_mutex_destroy(&rig->lock);
    free(rig);
    return 0;
}

static void answered(struct xr_ingest_call *call) {
    struct upsert *u = call->ctx;
    pthread_mutex_lock(&u->rig->lock);
    u->answers++;
    pthread_cond_broadcast(&u->rig->answered);
    pthread_mutex_unlock(&u->rig->lock);
}

static void prepare(struct rig *rig, struct upsert *u, const char *spec) {
    *u = (struct upsert){.rig = rig, .arena = xr_arena_new(XR_REQUEST_ARENA_MAX)};
    struct xr_issues issues = {.arena = u->arena};
    assert_int_equal(xr_spec_parse(xr_str_from(spec), u->arena, &issues, &u->spec, NULL), XR_OK);
    u->call = (struct xr_ingest_call){.spec = &u->spec, .arena = u->arena, .done = answered, .ctx = u};
}

static void start(struct rig *rig, struct upsert *u, const char *spec) {
    prepare(rig, u, spec);
    assert_int_equal(xr_ingest_start(rig->ingest, &u->call, NULL), XR_OK);
}

static void await(struct upsert *u) {
    pthread_mutex_lock(&u->rig->lock);
    while (u->answers == 0)
        pthread_cond_wait(&u->rig->answered, &u->rig->lock);
    pthread_mutex_unlock(&u->rig->lock);
}

static void clear(struct upsert *u) {
    assert_int_equal(u->answers, 1);
    xr_spec_free(&u->spec);
    xr_arena_free(u->arena);
}

static void hash_text(const struct upsert *u, char out[XR_SHA256_HEX + 1]) {
    xr_hex_encode(u->call.conversation.hash, XR_SHA256_SIZE, out);
}

static size_t temp_files(const struct rig *rig) {
    char path[128];
    snprintf(path, sizeof path, "%s/audio/tmp", rig->t->dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static size_t conversations(struct rig *rig) {
    struct xr_conversation_item *items;
    size_t count;
    assert_int_equal(xr_store_conversations_list(rig->t->reader, (struct xr_str){0}, XR_TIME_NONE, 0, XR_LIST_LIMIT_MAX,
                                                 rig->t->arena, &items, &count, NULL),
                     XR_OK);
    return count;
}

static bool turn_is_kept(struct rig *rig, const struct xr_turn_spec *turn) {
    int fd = -1;
    enum xr_code code = xr_files_open_turn(rig->files, turn->sha256, &fd, NULL);
    if (code == XR_OK)
        close(fd);
    return code == XR_OK;
}

/* What speech that no replay has paid for has used, all conversations together. */
static void assert_used(struct rig *rig, int64_t calls, int64_t characters) {
    static const char WHERE[] = "WHERE input_tokens IS NULL AND output_tokens IS NULL AND provider = 'fake' AND"
                                " model = 'fake-1'";
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT ifnull(sum(calls), 0) FROM speech_usage %s", WHERE);
    assert_int_equal(query(rig->t->path, sql), calls);
    snprintf(sql, sizeof sql, "SELECT ifnull(sum(characters), 0) FROM speech_usage %s", WHERE);
    assert_int_equal(query(rig->t->path, sql), characters);
    snprintf(sql, sizeof sql, "SELECT ifnull(sum(audio_ms), 0) FROM speech_usage %s", WHERE);
    assert_int_equal(query(rig->t->path, sql), calls * FAKE_SPOKEN_MS);
}

#define SPOKEN(text) "{\"role\":\"user\",\"text\":\"" text "\",\"audio\":{\"kind\":\"tts\"}}"
#define IN_VOICE(text, voice)                                                                                          \
    "{\"role\":\"user\",\"text\":\"" text "\",\"audio\":{\"kind\":\"tts\",\"voice_id\":\"" voice "\"}}"
#define SPEC(turns) "{\"name\":\"test\",\"turns\":[" turns "]}"

static void one_call_is_made_for_each_distinct_text(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    start(rig, &u, SPEC(SPOKEN("one") "," SPOKEN("two") "," SPOKEN("one") ",{\"role\":\"agent\"}," SPOKEN("one")));
    await(&u);
    assert_int_equal(u.call.code, XR_OK);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TTS), 2);
    assert_memory_equal(u.spec.turns[0].sha256, u.spec.turns[2].sha256, XR_SHA256_SIZE);
    assert_memory_equal(u.spec.turns[0].sha256, u.spec.turns[4].sha256, XR_SHA256_SIZE);
    assert_memory_not_equal(u.spec.turns[0].sha256, u.spec.turns[1].sha256, XR_SHA256_SIZE);
    assert_true(turn_is_kept(rig, &u.spec.turns[0]) && turn_is_kept(rig, &u.spec.turns[1]));
    assert_false(u.spec.turns[3].has_sha256);
    assert_true(u.call.conversation.id > 0);
    assert_int_equal(u.call.conversation.turn_count, 5);
    assert_int_equal(temp_files(rig), 0);
    clear(&u);
}

static void another_voice_is_another_call(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    start(rig, &u, SPEC(SPOKEN("one") "," IN_VOICE("one", "deep") "," IN_VOICE("one", "default")));
    await(&u);
    assert_int_equal(u.call.code, XR_OK);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TTS), 2);
    clear(&u);
}

static void what_was_spoken_before_is_not_spoken_again(void **state) {
    struct rig *rig = *state;
    struct upsert first, second;
    char first_hash[XR_SHA256_HEX + 1], second_hash[XR_SHA256_HEX + 1];
    start(rig, &first, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&first);
    start(rig, &second, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&second);
    assert_int_equal(second.call.code, XR_OK);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TTS), 2);
    hash_text(&first, first_hash);
    hash_text(&second, second_hash);
    assert_string_equal(first_hash, second_hash);
    assert_int_equal(conversations(rig), 1);
    clear(&first);
    clear(&second);
}

static void a_file_that_is_gone_is_spoken_again(void **state) {
    struct rig *rig = *state;
    struct upsert first, second;
    char path[XR_PATH_MAX], hex[XR_SHA256_HEX + 1];
    start(rig, &first, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&first);
    xr_hex_encode(first.spec.turns[0].sha256, XR_SHA256_SIZE, hex);
    snprintf(path, sizeof path, "%s/audio/turns/%.2s/%s.wav", rig->t->dir, hex, hex);
    assert_int_equal(remove(path), 0);
    start(rig, &second, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&second);
    assert_int_equal(second.call.code, XR_OK);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TTS), 3);
    assert_true(turn_is_kept(rig, &second.spec.turns[0]));
    clear(&first);
    clear(&second);
}

static void what_the_calls_used_waits_for_a_replay(void **state) {
    struct rig *rig = *state;
    struct upsert first, same, other;
    start(rig, &first, SPEC(SPOKEN("one") "," SPOKEN("two") "," SPOKEN("one")));
    await(&first);
    assert_used(rig, 2, 6);
    start(rig, &same, SPEC(SPOKEN("one") "," SPOKEN("two") "," SPOKEN("one")));
    await(&same);
    assert_used(rig, 2, 6); /* nothing was called */
    start(rig, &other, SPEC(SPOKEN("one") "," SPOKEN("three")));
    await(&other);
    assert_used(rig, 3, 11);
    assert_int_equal(query(rig->t->path, "SELECT count(*) FROM speech_usage"), 2);
    clear(&first);
    clear(&same);
    clear(&other);
}

static void all_speech_of_a_conversation_has_one_deadline(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    int64_t began_ns = xr_clock_mono(&rig->t->clock);
    start(rig, &u, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&u);
    assert_int_equal(fake_deadline(rig->fake, XR_STAGE_TTS), began_ns + TIMEOUT_S * XR_NS_PER_S);
    clear(&u);
}

static void a_conversation_without_speech_makes_no_call(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    start(rig, &u, SPEC("{\"role\":\"user\",\"text\":\"typed\"}"));
    await(&u);
    assert_int_equal(u.call.code, XR_OK);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TTS), 0);
    assert_int_equal(query(rig->t->path, "SELECT count(*) FROM speech_usage"), 0);
    clear(&u);
}

static void live_conversations_are_rows_of_their_own(void **state) {
    struct rig *rig = *state;
    struct upsert u[2];
    for (size_t i = 0; i < 2; i++) {
        start(rig, &u[i], "{\"name\":\"live\",\"turns\":[],\"live\":true}");
        await(&u[i]);
        assert_int_equal(u[i].call.code, XR_OK);
        assert_true(u[i].call.conversation.live);
    }
    assert_int_equal(conversations(rig), 2);
    clear(&u[0]);
    clear(&u[1]);
}

/* --- failures --- */

static void any_failed_call_leaves_nothing_behind(void **state) {
    static const enum xr_code CODES[] = {XR_UNAVAILABLE, XR_REFUSED,      XR_TIMEOUT, XR_NO_CREDENTIAL,
                                         XR_INTERNAL,    XR_STORAGE_FULL, XR_IO,      XR_NO_MEMORY};
    enum { OF_PROVIDER = 3 }; /* the first; the others are not its failure */
    static const char *const POSITIONS[] = {"one", "two", "three"};
    struct rig *rig = *state;
    for (size_t c = 0; c < sizeof CODES / sizeof CODES[0]; c++) {
        for (size_t p = 0; p < sizeof POSITIONS / sizeof POSITIONS[0]; p++) {
            struct upsert u;
            fake_forget(rig->fake);
            fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .held = true});
            fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = POSITIONS[p], .code = CODES[c]});
            start(rig, &u, SPEC(SPOKEN("one") "," SPOKEN("two") "," SPOKEN("three")));
            await(&u);
            assert_int_equal(u.call.code, CODES[c]);
            assert_int_equal(u.call.tts_failed, c < OF_PROVIDER);
            assert_non_null(strstr(u.call.err.message, POSITIONS[p]));
            assert_int_equal(u.call.err.status, CODES[c] == XR_UNAVAILABLE ? 503 : CODES[c] == XR_REFUSED ? 400 : 0);
            assert_string_equal(u.call.provider, "fake");
            clear(&u);
            assert_int_equal(temp_files(rig), 0);
            assert_int_equal(conversations(rig), 0);
            assert_used(rig, 0, 0);
        }
    }
}

static void of_two_failures_the_first_is_told(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    fake_script(
        rig->fake,
        (struct fake_rule){.stage = XR_STAGE_TTS, .label = "one", .code = XR_REFUSED, .held = true, .stubborn = true});
    fake_script(rig->fake,
                (struct fake_rule){
                    .stage = XR_STAGE_TTS, .label = "two", .code = XR_UNAVAILABLE, .held = true, .stubborn = true});
    start(rig, &u, SPEC(SPOKEN("one") "," SPOKEN("two") "," SPOKEN("three")));
    fake_await(rig->fake, XR_STAGE_TTS, 3);
    fake_release(rig->fake, XR_STAGE_TTS, "two");
    fake_release(rig->fake, XR_STAGE_TTS, "one");
    await(&u);
    assert_int_equal(u.call.code, XR_UNAVAILABLE);
    assert_non_null(strstr(u.call.err.message, "two"));
    clear(&u);
}

static void an_answer_waits_for_every_call(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = "two", .held = true, .stubborn = true});
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = "one", .code = XR_REFUSED, .held = true});
    start(rig, &u, SPEC(SPOKEN("one") "," SPOKEN("two")));
    fake_await(rig->fake, XR_STAGE_TTS, 2);
    fake_release(rig->fake, XR_STAGE_TTS, "one");
    pthread_mutex_lock(&rig->lock);
    assert_int_equal(u.answers, 0); /* the other call still writes into its file */
    pthread_mutex_unlock(&rig->lock);
    fake_release(rig->fake, XR_STAGE_TTS, "two");
    await(&u);
    assert_int_equal(u.call.code, XR_REFUSED);
    clear(&u);
}

static void a_failure_is_not_remembered(void **state) {
    struct rig *rig = *state;
    struct upsert first, second;
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TTS, .label = "two", .code = XR_UNAVAILABLE, .times = 1});
    start(rig, &first, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&first);
    assert_int_equal(first.call.code, XR_UNAVAILABLE);
    start(rig, &second, SPEC(SPOKEN("one") "," SPOKEN("two")));
    await(&second);
    assert_int_equal(second.call.code, XR_OK);
    clear(&first);
    clear(&second);
}

static void a_full_disk_is_told_and_the_next_try_is_heard(void **state) {
    struct rig *rig = *state;
    struct upsert first, second;
    fault_arm(FAULT_FULL, "xray.db-wal", 1, true);
    start(rig, &first, SPEC(SPOKEN("one")));
    await(&first);
    assert_true(fault_disarm());
    assert_int_equal(first.call.code, XR_STORAGE_FULL);
    assert_false(first.call.tts_failed);
    assert_int_equal(temp_files(rig), 0);
    assert_int_equal(conversations(rig), 0);
    assert_used(rig, 0, 0);
    start(rig, &second, SPEC(SPOKEN("one")));
    await(&second);
    assert_int_equal(second.call.code, XR_OK);
    assert_used(rig, 1, 3);
    clear(&first);
    clear(&second);
}

static void speech_that_is_cancelled_may_be_asked_for_again(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .code = XR_CANCELLED});
    start(rig, &u, SPEC(SPOKEN("one")));
    await(&u);
    assert_int_equal(u.call.code, XR_OVERLOADED);
    assert_false(u.call.tts_failed || u.call.tts_unasked);
    clear(&u);
}

static void speech_that_nobody_could_be_asked_for_is_no_failure_of_the_provider(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .code = XR_OVERLOADED});
    start(rig, &u, SPEC(SPOKEN("one")));
    await(&u);
    assert_int_equal(u.call.code, XR_OVERLOADED);
    assert_false(u.call.tts_failed);
    assert_true(u.call.tts_unasked);
    assert_non_null(strstr(u.call.err.message, "overloaded"));
    clear(&u);
}

/* --- side by side --- */

static void the_same_conversation_twice_at_once_is_one_row(void **state) {
    enum { TIMES = 8 };
    struct rig *rig = *state;
    struct upsert u[TIMES];
    char want[XR_SHA256_HEX + 1], got[XR_SHA256_HEX + 1];
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .held = true});
    for (size_t i = 0; i < TIMES; i++)
        start(rig, &u[i], SPEC(SPOKEN("one")));
    fake_await(rig->fake, XR_STAGE_TTS, TIMES); /* none could know of the others */
    for (size_t i = 0; i < TIMES; i++)
        fake_release(rig->fake, XR_STAGE_TTS, "one");
    for (size_t i = 0; i < TIMES; i++)
        await(&u[i]);
    hash_text(&u[0], want);
    for (size_t i = 0; i < TIMES; i++) {
        assert_int_equal(u[i].call.code, XR_OK);
        hash_text(&u[i], got);
        assert_string_equal(got, want);
        assert_int_equal(u[i].call.conversation.id, u[0].call.conversation.id);
    }
    assert_int_equal(conversations(rig), 1);
    assert_int_equal(temp_files(rig), 0);
    assert_used(rig, TIMES, 3 * TIMES); /* each was paid for */
    for (size_t i = 0; i < TIMES; i++)
        clear(&u[i]);
}

static void one_that_waits_does_not_hold_up_another(void **state) {
    struct rig *rig = *state;
    struct upsert held[4], other;
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .label = "slow", .held = true});
    for (size_t i = 0; i < 4; i++)
        start(rig, &held[i], SPEC(SPOKEN("slow")));
    fake_await(rig->fake, XR_STAGE_TTS, 4);
    start(rig, &other, SPEC(SPOKEN("fast")));
    await(&other);
    assert_int_equal(other.call.code, XR_OK);
    clear(&other);
    for (size_t i = 0; i < 4; i++)
        fake_release(rig->fake, XR_STAGE_TTS, "slow");
    for (size_t i = 0; i < 4; i++) {
        await(&held[i]);
        clear(&held[i]);
    }
}

/* --- uploads --- */

/* A temporary file as the request left it. */
static void upload(struct rig *rig, struct upsert *u, struct xr_ingest_file *file) {
    static const char BYTES[] = "the upload was checked before";
    *file = (struct xr_ingest_file){.upload_key = XR_STR("mine")};
    assert_int_equal(xr_files_temp(rig->files, &file->fd, file->path, NULL), XR_OK);
    assert_int_equal(write(file->fd, BYTES, sizeof BYTES), sizeof BYTES);
    xr_sha256_of(BYTES, sizeof BYTES, file->sha256);
    u->call.files = file;
    u->call.file_count = 1;
}

static void start_with_upload(struct rig *rig, struct upsert *u, struct xr_ingest_file *file) {
    prepare(rig, u,
            SPEC("{\"role\":\"user\",\"audio\":{\"kind\":\"recorded\",\"upload_key\":\"mine\"}}," SPOKEN("one")));
    upload(rig, u, file);
    assert_int_equal(xr_ingest_start(rig->ingest, &u->call, NULL), XR_OK);
}

static void an_upload_is_kept_by_its_content(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    struct xr_ingest_file file;
    start_with_upload(rig, &u, &file);
    await(&u);
    assert_int_equal(u.call.code, XR_OK);
    assert_memory_equal(u.spec.turns[0].sha256, file.sha256, XR_SHA256_SIZE);
    assert_true(turn_is_kept(rig, &u.spec.turns[0]));
    assert_int_equal(temp_files(rig), 0);
    close(file.fd);
    clear(&u);
}

static void an_upload_beside_failed_speech_stays_its_owners(void **state) {
    struct rig *rig = *state;
    struct upsert u;
    struct xr_ingest_file file;
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TTS, .code = XR_REFUSED});
    start_with_upload(rig, &u, &file);
    await(&u);
    assert_int_equal(u.call.code, XR_REFUSED);
    assert_int_equal(temp_files(rig), 1); /* the request discards it */
    xr_files_discard(file.path);
    assert_int_equal(temp_files(rig), 0);
    close(file.fd);
    clear(&u);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_call_is_made_for_each_distinct_text),
        TEST(another_voice_is_another_call),
        TEST(what_was_spoken_before_is_not_spoken_again),
        TEST(a_file_that_is_gone_is_spoken_again),
        TEST(what_the_calls_used_waits_for_a_replay),
        TEST(all_speech_of_a_conversation_has_one_deadline),
        TEST(a_conversation_without_speech_makes_no_call),
        TEST(live_conversations_are_rows_of_their_own),
        TEST(any_failed_call_leaves_nothing_behind),
        TEST(of_two_failures_the_first_is_told),
        TEST(an_answer_waits_for_every_call),
        TEST(a_failure_is_not_remembered),
        TEST(a_full_disk_is_told_and_the_next_try_is_heard),
        TEST(speech_that_is_cancelled_may_be_asked_for_again),
        TEST(speech_that_nobody_could_be_asked_for_is_no_failure_of_the_provider),
        TEST(the_same_conversation_twice_at_once_is_one_row),
        TEST(one_that_waits_does_not_hold_up_another),
        TEST(an_upload_is_kept_by_its_content),
        TEST(an_upload_beside_failed_speech_stays_its_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
