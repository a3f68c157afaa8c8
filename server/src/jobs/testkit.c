// SPDX-License-Identifier: Apache-2.0
#include "jobs/testkit.h"
#include "audio/scene_test.h"
#include "base/limits.h"
#include "spec/spec.h"
#include "store/fault_vfs.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPEC_TEXT_MAX = 16384, SLOT_MS = 1000, SPEECH_FROM_MS = 200, SPEECH_TO_MS = 800, LOUDNESS_DBFS = -20 };

/* --- the rig --- */

static int64_t now(void *ctx) {
    return atomic_load(&((struct rig *)ctx)->now_ns);
}

static int64_t mono(void *ctx) {
    return atomic_load(&((struct rig *)ctx)->mono_ns);
}

static void open_log(struct rig *rig) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig->log_fd = ends[1];
    rig->log_lines = fdopen(ends[0], "r");
    assert_non_null(rig->log_lines);
    rig->log = xr_log_new(rig->log_fd, XR_LOG_INFO, XR_LOG_JSON);
    assert_non_null(rig->log);
}

static int setup(void **state, const char *vfs) {
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->t = xr_test_store_make();
    atomic_store(&rig->now_ns, rig->t->now_ns);
    atomic_store(&rig->mono_ns, rig->t->now_ns);
    rig->t->clock = (struct xr_clock){.wall_ns = now, .mono_ns = mono, .ctx = rig};
    rig->t->options.vfs = vfs;
    assert_int_equal(xr_test_store_open(rig->t, NULL), XR_OK);
    assert_int_equal(xr_files_open(rig->t->dir, &rig->files, NULL), XR_OK);
    assert_int_equal(xr_hub_new(&rig->hub, NULL), XR_OK);
    rig->fake = fake_new();
    rig->config = fake_config();
    rig->jobs_config = (struct xr_jobs_config){.workers = 2,
                                               .concurrency = 3,
                                               .chains = RIG_CHAINS,
                                               .stage_timeout_s = RIG_STAGE_TIMEOUT_S,
                                               .stall_timeout_s = RIG_STALL_TIMEOUT_S};
    open_log(rig);
    *state = rig;
    return 0;
}

int rig_setup(void **state) {
    return setup(state, NULL);
}

int rig_setup_faulty(void **state) {
    return setup(state, fault_vfs_name());
}

static void run_free(struct run *run) {
    run->rig->runs = run->next;
    if (run->subscriber)
        xr_hub_unsubscribe(run->rig->hub, run->subscriber);
    for (size_t i = 0; i < run->count; i++)
        free(run->events[i]);
    pthread_cond_destroy(&run->woken);
    pthread_mutex_destroy(&run->lock);
    free(run);
}

int rig_teardown(void **state) {
    struct rig *rig = *state;
    rig_stop(rig);
    while (rig->runs)
        run_free(rig->runs);
    fake_free(rig->fake);
    xr_hub_free(rig->hub);
    xr_log_free(rig->log);
    close(rig->log_fd);
    fclose(rig->log_lines);
    xr_files_free(rig->files);
    void *store = rig->t;
    xr_test_store_teardown(&store);
    free(rig->wav);
    free(rig);
    return 0;
}

void rig_start(struct rig *rig) {
    const struct xr_jobs_deps deps = {.clock = &rig->t->clock,
                                      .log = rig->log,
                                      .store = rig->t->store,
                                      .files = rig->files,
                                      .providers = rig->fake,
                                      .providers_config = &rig->config,
                                      .hub = rig->hub};
    struct xr_err err = {0};
    if (xr_jobs_start(&deps, &rig->jobs_config, &rig->jobs, &err) != XR_OK)
        fail_msg("%s", err.message);
}

void rig_stop(struct rig *rig) {
    assert_int_equal(xr_jobs_stop(rig->jobs), 0);
    rig->jobs = NULL;
}

void rig_pass(struct rig *rig, int64_t ms) {
    atomic_fetch_add(&rig->now_ns, ms * XR_NS_PER_MS);
    atomic_fetch_add(&rig->mono_ns, ms * XR_NS_PER_MS);
}

void rig_advance(struct rig *rig, int64_t ms) {
    rig_pass(rig, ms);
    xr_jobs_kick(rig->jobs);
}

void rig_await_ending(struct rig *rig, const char *ending) {
    char want[64], *line = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(want, sizeof want, "\"ending\":\"%s\"", ending);
    while (!found && getline(&line, &room, rig->log_lines) > 0)
        found = strstr(line, want) != NULL;
    free(line);
    assert_true(found);
}

enum xr_code rig_write(struct rig *rig, enum xr_code (*apply)(struct xr_store_tx *, void *, struct xr_err *),
                       void *ctx) {
    return xr_test_write(rig->t, apply, ctx, NULL);
}

/* --- rows --- */

static enum xr_code put_conversation(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_conversation_put(tx, ctx, err);
}

void rig_conversation(struct rig *rig, const char *text) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_issues issues = {.arena = arena};
    struct xr_spec spec = {0};
    struct xr_conversation row = {.name = XR_STR("test")};
    assert_int_equal(xr_spec_parse(xr_str_from(text), arena, &issues, &spec, NULL), XR_OK);
    row.live = spec.live;
    if (spec.live)
        snprintf(spec.live_salt, sizeof spec.live_salt, "00000000-0000-4000-8000-000000000000");
    assert_int_equal(xr_spec_canonical(&spec, arena, &row.spec, NULL), XR_OK);
    xr_spec_hash(row.spec, row.hash);
    row.turn_count = spec.turn_count;
    row.audio = xr_arena_array(arena, spec.turn_count, XR_SHA256_SIZE);
    memcpy(rig->hash, row.hash, sizeof rig->hash);
    assert_int_equal(rig_write(rig, put_conversation, &row), XR_OK);
    xr_spec_free(&spec);
}

void rig_dialogue(struct rig *rig, size_t turns, size_t judges) {
    char text[SPEC_TEXT_MAX];
    int n = snprintf(text, sizeof text, "{\"name\":\"test\",\"turns\":[");
    for (size_t i = 0; i < turns; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "%s{\"role\":\"%s\",\"assertions\":[{\"kind\":\"contains\",\"text\":\"heard\"}]}", i ? "," : "",
                      i % 2 ? "agent" : "user");
    n += snprintf(text + n, sizeof text - (size_t)n, "],\"judges\":[");
    for (size_t i = 0; i < judges; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s{\"kind\":\"text_match\",\"reference\":\"J%zu\"}",
                      i ? "," : "", i);
    snprintf(text + n, sizeof text - (size_t)n, "]}");
    rig_conversation(rig, text);
}

static enum xr_code create_replay(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct run *run = ctx;
    struct xr_replay made;
    enum xr_code code = xr_store_tx_replay_create(tx, &run->uuid, run->rig->hash, (struct xr_str){0}, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_get(tx, &run->uuid, &made, err);
    if (code == XR_OK)
        run->id = made.id;
    return code;
}

static enum xr_code upload(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct run *run = ctx;
    struct xr_replay row;
    const struct xr_replay_change change = {.actor = XR_BY_UPLOAD,
                                            .to = XR_RECORDING_UPLOADED,
                                            .finished_ns = XR_TIME_NONE,
                                            .set_recording = true,
                                            .recording_started_ns = XR_TIME_NONE,
                                            .job_id = -1};
    return xr_store_tx_replay_change(tx, run->id, &change, &row, err);
}

struct analyze {
    struct run *run;
    bool with_job;
};

static enum xr_code analyze(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct analyze *a = ctx;
    struct xr_replay row;
    struct xr_replay_change change = {
        .actor = XR_BY_ANALYZE, .to = XR_ANALYZING, .step = XR_STEP_VAD, .finished_ns = XR_TIME_NONE, .job_id = -1};
    enum xr_code code = XR_OK;
    if (a->with_job)
        code = xr_queue_tx_enqueue(tx, a->run->id, &a->run->uuid, XR_JOB_ANALYZE, &change.job_id, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_change(tx, a->run->id, &change, &row, err);
    return code;
}

void run_analyze(struct run *run, bool with_job) {
    struct analyze a = {.run = run, .with_job = with_job};
    assert_int_equal(rig_write(run->rig, analyze, &a), XR_OK);
}

/* --- recordings --- */

static void make_wav(struct rig *rig, size_t turns) {
    if (rig->wav && rig->wav_turns == turns)
        return;
    struct scene *scene = scene_new((turns ? turns : 1) * SLOT_MS);
    for (size_t i = 0; i < turns; i++)
        scene_speak(scene, i % 2 ? XR_CHANNEL_AGENT : XR_CHANNEL_USER, i * SLOT_MS + SPEECH_FROM_MS,
                    i * SLOT_MS + SPEECH_TO_MS, LOUDNESS_DBFS);
    int16_t *samples = scene_render(scene);
    size_t bytes = scene->frames * XR_CHANNEL_COUNT * sizeof *samples;
    free(rig->wav);
    rig->wav_size = XR_WAV_HEADER_SIZE + bytes;
    rig->wav = malloc(rig->wav_size);
    assert_non_null(rig->wav);
    xr_wav_header(rig->wav, XR_RATE, XR_CHANNEL_COUNT, scene->frames);
    memcpy(rig->wav + XR_WAV_HEADER_SIZE, samples, bytes);
    rig->wav_turns = turns;
    free(samples);
    scene_free(scene);
}

static void record(struct run *run, size_t turns) {
    struct rig *rig = run->rig;
    char path[XR_PATH_MAX];
    int fd;
    make_wav(rig, turns);
    assert_int_equal(xr_files_temp(rig->files, &fd, path, NULL), XR_OK);
    assert_int_equal(write(fd, rig->wav, rig->wav_size), (ssize_t)rig->wav_size);
    assert_int_equal(xr_files_keep_recording(rig->files, fd, path, &run->uuid, NULL), XR_OK);
    close(fd);
}

/* --- runs --- */

static void wake(void *ctx) {
    struct run *run = ctx;
    pthread_mutex_lock(&run->lock);
    run->awake = true;
    pthread_cond_signal(&run->woken);
    pthread_mutex_unlock(&run->lock);
}

static void parked(void *ctx) {
    struct run *run = ctx;
    pthread_mutex_lock(&run->lock);
    run->awake = false;
    pthread_mutex_unlock(&run->lock);
}

struct run *run_pending(struct rig *rig, uint8_t n) {
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->rig = rig;
    run->next = rig->runs;
    rig->runs = run;
    run->uuid = xr_test_uuid(n);
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->woken, NULL);
    assert_int_equal(rig_write(rig, create_replay, run), XR_OK);
    assert_int_equal(xr_hub_subscribe(rig->hub, &run->uuid, wake, run, &run->subscriber, NULL), XR_OK);
    return run;
}

struct run *run_recorded(struct rig *rig, uint8_t n, size_t turns) {
    struct run *run = run_pending(rig, n);
    record(run, turns);
    assert_int_equal(rig_write(rig, upload, run), XR_OK);
    return run;
}

struct run *run_new(struct rig *rig, uint8_t n, size_t turns) {
    struct run *run = run_recorded(rig, n, turns);
    run_analyze(run, true);
    return run;
}

static void keep(struct run *run, struct xr_event *event) {
    static const char DATA[] = "\ndata: ";
    struct xr_str bytes = xr_event_bytes(event);
    char *text = strndup(bytes.ptr, bytes.len), *data = text ? strstr(text, DATA) : NULL;
    assert_non_null(data);
    assert_true(run->count < RIG_EVENTS_MAX);
    assert_false(run->over); /* nothing comes after the terminal event */
    data += sizeof DATA - 1;
    run->events[run->count++] = strndup(data, strcspn(data, "\n"));
    run->over = xr_event_is_last(event);
    free(text);
    xr_event_unref(event);
}

/* Takes what has been told; true: wait for more. */
static bool collect(struct run *run) {
    struct xr_event *event = NULL;
    enum xr_next next;
    while ((next = xr_subscriber_next(run->subscriber, parked, &event)) == XR_NEXT_EVENT)
        keep(run, event);
    assert_int_equal(next, XR_NEXT_NOTHING);
    return !run->over;
}

void run_await(struct run *run) {
    while (collect(run)) {
        pthread_mutex_lock(&run->lock);
        while (!run->awake)
            pthread_cond_wait(&run->woken, &run->lock);
        pthread_mutex_unlock(&run->lock);
    }
    assert_true(xr_lifecycle_terminal(run_row(run).state));
}

void run_await_failure(struct run *run, enum xr_reason reason) {
    char want[96];
    run_await(run);
    snprintf(want, sizeof want, "{\"type\":\"failed\",\"reason\":\"%s\"}", xr_reason_name(reason));
    assert_string_equal(run->events[run->count - 1], want);
    assert_int_equal(run_row(run).state, XR_FAILED_STATE);
    assert_int_equal(run_row(run).reason, reason);
    assert_string_equal(run_job(run).state, "dead");
}

struct xr_replay run_row(struct run *run) {
    struct xr_replay row = {0};
    assert_int_equal(xr_store_replay_get(run->rig->t->reader, &run->uuid, run->rig->t->arena, &row, NULL), XR_OK);
    return row;
}

const char *run_result(const struct run *run) {
    static const char BEFORE[] = "{\"type\":\"evaluation_complete\",\"result\":";
    assert_true(run->over);
    const char *last = run->events[run->count - 1];
    assert_memory_equal(last, BEFORE, sizeof BEFORE - 1);
    return last + sizeof BEFORE - 1;
}

size_t run_told(const struct run *run, const char *part) {
    size_t count = 0;
    for (size_t i = 0; i < run->count; i++)
        count += strstr(run->events[i], part) != NULL;
    return count;
}

/* --- jobs --- */

struct search {
    char replay_id[XR_UUID_TEXT + 1];
    struct job_row found;
};

static void look(const struct xr_job_row *row, void *ctx) {
    struct search *search = ctx;
    if (strcmp(row->replay_id, search->replay_id) != 0)
        return;
    struct job_row *found = &search->found;
    snprintf(found->state, sizeof found->state, "%s", row->state);
    snprintf(found->stage, sizeof found->stage, "%s", row->stage);
    snprintf(found->error, sizeof found->error, "%.*s", XR_STR_ARG(row->last_error));
    found->attempt = row->attempt;
    found->due_ns = row->due_ns;
}

struct job_row run_job(const struct run *run) {
    struct search search = {.found = {.state = "none"}};
    xr_uuid_format(&run->uuid, search.replay_id);
    assert_int_equal(xr_queue_jobs_each(run->rig->t->queue_path, look, &search, NULL), XR_OK);
    return search.found;
}
