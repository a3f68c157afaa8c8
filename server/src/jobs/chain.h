// SPDX-License-Identifier: Apache-2.0
/* jobs/chain.h - one replay's way through the stages. Internal to jobs/.
 *
 *      claim -> analyze ------------------> metrics -> evaluate ------------> verdict
 *                 |  \_ transcription _/                 |  \_ judges _/        |
 *                 +------------------- ending (fail, retry, release, drop) -----+
 *
 * A chain is touched by one thread at a time: a worker, or the thread that answers its last provider call, or the
 * writer in `done`. Results are writes ("steps"): those that follow each other without waiting for a provider are
 * corked and submitted together, so that they share one commit. Each step's rows, state and queue change are one
 * savepoint. A step applies only if the one before it did.
 *
 * What calls have used is kept in `used` until a write that has it is committed: the step of the stage's results, or
 * else whatever ends the chain. */
#pragma once
#include "base/pool.h"
#include "jobs/jobs.h"
#include "queue/queue.h"
#include "spec/spec.h"
#include "speech/usage.h"
#include "store/conversations.h"
#include "store/reader_pool.h"
#include "store/replays.h"
#include "store/results.h"
#include <pthread.h>

enum { XR_CHAIN_STEPS_MAX = 6 };

struct xr_chain;
struct xr_chain_step {
    struct xr_write write;
    struct xr_chain *chain;
    int number; /* from 0, in order of submission */
    bool last_of_batch;
    enum xr_code (*apply)(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq, struct xr_err *err);
    void (*announce)(struct xr_chain *chain, int64_t seq); /* after the commit */
    int64_t seq; /* the replay's, once applied */
    enum xr_stage_kind usage; /* which stage's usage it also writes; XR_STAGE_KIND_COUNT: none */
    enum xr_job_stage live; /* whose job is in the queue once this step is committed */
};

/* How a job ends without a verdict. */
enum xr_ending { XR_END_FAIL, XR_END_RETRY, XR_END_RELEASE, XR_END_DROP };

struct xr_transcription; /* stage_analyze.c */
struct xr_judging; /* stage_evaluate.c */

struct xr_chain {
    struct xr_task task;
    struct xr_jobs *jobs;
    struct xr_chain *prev, *next; /* the runner's list */
    struct xr_job job[XR_JOB_STAGE_COUNT]; /* of each stage, once known; written by the writer */
    enum xr_job_stage first; /* the stage that was claimed */
    enum xr_job_stage live; /* the stage whose job is in the queue, as last committed */
    int64_t deadline_mono_ns; /* of the stage that is being worked on */
    struct xr_arena *arena;

    /* Loaded by xr_chain_load. */
    struct xr_replay replay;
    struct xr_conversation conversation;
    struct xr_spec spec;
    int64_t seq; /* of the replay, as last announced */

    /* Found by the stages, or read back when the chain starts in the middle. */
    struct xr_segment *segments;
    size_t segment_count;
    struct xr_turn *turns;
    size_t turn_count;
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
    struct xr_transcript_row *transcripts;
    size_t transcript_count;
    struct xr_turn_metric *metrics; /* one a turn */
    int64_t median_ms, p95_ms;
    struct xr_evaluation evaluation;
    struct xr_str result_json;
    enum xr_job_stage verdict_stage; /* whose job the verdict completes */

    struct xr_call_group group; /* of every provider call of this chain */
    struct xr_usage used[XR_STAGE_KIND_COUNT]; /* by calls that were answered; not written yet */
    bool usage_put; /* by the writer: the ending's group has it */
    struct xr_transcription *transcription;
    struct xr_judging *judging;
    void (*run)(struct xr_chain *chain); /* what the task does next */

    struct xr_chain_step steps[XR_CHAIN_STEPS_MAX];
    int step_count; /* made */
    int step_submitted; /* submitted */
    int applied; /* by the writer: steps that hold in the current transaction */
    enum xr_code fault; /* first step that failed */
    struct xr_err fault_err;
    void (*after)(struct xr_chain *chain); /* after the batch's commit; NULL: the chain is over */

    enum xr_ending ending;
    enum xr_reason reason;
    char last_error[XR_LAST_ERROR_MAX];
    bool decodes; /* holds one of the machine's places for transcription; the runner's lock */
    int64_t parked_until_ns; /* monotonic; 0: not parked */
};

/* runner.c */
const struct xr_jobs_deps *xr_jobs_deps_of(const struct xr_jobs *jobs);
const struct xr_jobs_config *xr_jobs_config_of(const struct xr_jobs *jobs);
struct xr_reader_pool *xr_jobs_readers(struct xr_jobs *jobs);
bool xr_jobs_stopping(const struct xr_jobs *jobs);
int64_t xr_jobs_lease_s(const struct xr_jobs *jobs);
/* Runs chain->run on a worker; if the pool is full, a little later. */
void xr_jobs_resume(struct xr_jobs *jobs, struct xr_chain *chain, void (*run)(struct xr_chain *chain));
/* The same after delay_ms. */
void xr_jobs_park(struct xr_jobs *jobs, struct xr_chain *chain, void (*run)(struct xr_chain *chain), int64_t delay_ms);
/* The chain needs no more transcription: another one may start. */
void xr_jobs_transcribed(struct xr_jobs *jobs, struct xr_chain *chain);
/* The chain is over: frees it and looks for more work. */
void xr_jobs_chain_over(struct xr_jobs *jobs, struct xr_chain *chain);

/* chain.c */
struct xr_chain *xr_chain_new(struct xr_jobs *jobs); /* NULL: out of memory */
void xr_chain_adopt(struct xr_chain *chain, const struct xr_job *job); /* gives it the job it is for */
void xr_chain_free(struct xr_chain *chain);
void xr_chain_start(struct xr_chain *chain); /* on a worker: the first step of the claimed stage */
/* Notes a step; nothing happens until xr_chain_flush. live: the stage whose job is in the queue after it. */
void xr_chain_step(struct xr_chain *chain, enum xr_job_stage live,
                   enum xr_code (*apply)(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                         struct xr_err *err),
                   void (*announce)(struct xr_chain *chain, int64_t seq));
/* The step that was noted last also writes what this stage's calls have used. */
void xr_chain_step_usage(struct xr_chain *chain, enum xr_stage_kind stage);
/* Submits the noted steps as one group. After their commit `after` runs on a worker; NULL: the chain is over. */
void xr_chain_flush(struct xr_chain *chain, void (*after)(struct xr_chain *chain));
void xr_chain_begin_stage(struct xr_chain *chain); /* sets the deadline */
void xr_chain_publish(struct xr_chain *chain, struct xr_event *event); /* takes it over; NULL is fine */
void xr_chain_progress(struct xr_chain *chain, int percent, enum xr_step step);

/* The chain's last act when there is no verdict. */
void xr_chain_fail(struct xr_chain *chain, enum xr_reason reason, const char *message); /* permanent */
/* Back into the queue, where no deadline runs: the server stops, or the provider was busy with others all the time. */
void xr_chain_release(struct xr_chain *chain);
void xr_chain_drop(struct xr_chain *chain); /* not `analyzing` any more */
/* A fault of ours: tried again later, and after the last attempt the replay fails max_attempts_exceeded. */
void xr_chain_fault(struct xr_chain *chain, const struct xr_err *err);

/* The stages: each runs on a worker and ends in the next stage, a flush, or an ending. */
void xr_stage_analyze(struct xr_chain *chain);
void xr_stage_metrics(struct xr_chain *chain);
void xr_stage_evaluate(struct xr_chain *chain);
/* Writes chain->evaluation as the verdict and completes the stage's job: the end. */
void xr_chain_verdict(struct xr_chain *chain, enum xr_job_stage stage);
/* Is transcription switched off (provider `none`)? */
bool xr_jobs_transcription_none(const struct xr_jobs *jobs);
void xr_transcription_free(struct xr_transcription *transcription);
void xr_judging_free(struct xr_judging *judging);
