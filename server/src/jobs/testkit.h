// SPDX-License-Identifier: Apache-2.0
/* jobs/testkit.h - the chain with its real store, queue, files and hub in a temporary folder, providers that do as they
 * are told (providers/fake.h), and a clock that stands still. Link jobs_testkit of meson.build into the test. The
 * test's thread only.
 *
 * Nothing sleeps: the clock is ahead of the system's, so the jobs' thread wakes only when it is told to; rig_advance
 * does that. */
#pragma once
#include "base/test.h"
#include "jobs/jobs.h"
#include "providers/fake.h"
#include "queue/queue.h"
#include "store/replays.h"
#include "store/results.h"
#include "store/store_testkit.h"
#include <stdio.h>

enum {
    RIG_EVENTS_MAX = 128,
    RIG_ERROR_MAX = 256,
    RIG_CHAINS = 64,
    RIG_STAGE_TIMEOUT_S = 300,
    RIG_STALL_TIMEOUT_S = 3600
};

struct rig {
    struct xr_test_store *t;
    struct xr_files *files;
    struct xr_hub *hub;
    struct xr_providers *fake;
    struct xr_providers_config config; /* change it before rig_start */
    struct xr_jobs_config jobs_config; /* and this */
    struct xr_jobs *jobs; /* NULL: not started */
    struct xr_log *log;
    FILE *log_lines;
    int log_fd;
    _Atomic int64_t now_ns; /* wall clock */
    _Atomic int64_t mono_ns;
    uint8_t hash[XR_SHA256_SIZE]; /* of the conversation last put */
    uint8_t *wav; /* the recording of `wav_turns` turns */
    size_t wav_size, wav_turns;
    struct run *runs; /* all, freed with the rig */
};
/* cmocka set-up and tear-down: *state becomes a struct rig *. Tear-down stops the jobs. */
int rig_setup(void **state);
int rig_setup_faulty(void **state); /* over the file layer of store/fault_vfs.h */
int rig_teardown(void **state);
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig); /* everything must end */
void rig_pass(struct rig *rig, int64_t ms); /* moves both clocks on; nobody notices yet */
/* ... and lets the jobs' thread look what is due. */
void rig_advance(struct rig *rig, int64_t ms);
/* Waits for the next line about a job that ended so: "retry", "released", "given up", ... */
void rig_await_ending(struct rig *rig, const char *ending);
/* The following replays are of this conversation: a request's `spec`. */
void rig_conversation(struct rig *rig, const char *spec);
/* A user's and an agent's turn by turns, each assertion `contains "heard"`, judges J0, J1, ... */
void rig_dialogue(struct rig *rig, size_t turns, size_t judges);
enum xr_code rig_write(struct rig *rig, enum xr_code (*apply)(struct xr_store_tx *, void *, struct xr_err *),
                       void *ctx);

/* One replay and what is told about it. */
struct run {
    struct rig *rig;
    struct run *next;
    struct xr_uuid uuid;
    int64_t id;
    struct xr_subscriber *subscriber;
    char *events[RIG_EVENTS_MAX]; /* their data */
    size_t count;
    bool over; /* the last one was terminal */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool awake;
};
/* The n-th replay (its uuid is n repeated), `pending`, subscribed to. */
struct run *run_pending(struct rig *rig, uint8_t n);
/* ... with a recording in which `turns` turns are spoken, the user's first, one a second. */
struct run *run_recorded(struct rig *rig, uint8_t n, size_t turns);
/* run_recorded and run_analyze */
struct run *run_new(struct rig *rig, uint8_t n, size_t turns);
/* What POST .../analyze does, but for the kick. with_job false: only the replay's half. */
void run_analyze(struct run *run, bool with_job);
/* Waits for the terminal event; the row must then read so. */
void run_await(struct run *run);
/* Waits for the terminal event and asserts that it is `failed` for this reason, that the row says so too, and that
 * there is a dead letter. */
void run_await_failure(struct run *run, enum xr_reason reason);
struct xr_replay run_row(struct run *run);
/* The result in the terminal event, as JSON text; run_await first. */
const char *run_result(const struct run *run);
size_t run_told(const struct run *run, const char *part); /* events that contain it */

/* The job or dead letter of a replay. */
struct job_row {
    char state[16]; /* "queued", "running", "dead", "none" */
    char stage[32];
    int attempt;
    int64_t due_ns;
    char error[RIG_ERROR_MAX];
};
struct job_row run_job(const struct run *run);
