// SPDX-License-Identifier: Apache-2.0
/* Claims jobs and keeps time: one thread ("jobs") that sleeps until the next retry is due, a sweep is due, or a kick.
 */
#include "jobs/announce.h"
#include "jobs/chain.h"
#include "jobs/reconcile.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct xr_jobs {
    struct xr_jobs_deps deps;
    struct xr_jobs_config config;
    struct xr_pool *pool;
    struct xr_reader_pool *readers;
    _Atomic bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* the thread's; monotonic clock */
    pthread_cond_t quiet; /* a chain or a write of ours is over */
    pthread_t thread;
    bool local_transcription;
    struct xr_chain *chains; /* all, parked ones too */
    struct xr_chain *spare; /* for the claim that is on its way or comes next: what is claimed can be run */
    size_t chain_count;
    size_t decoding; /* chains that use this machine for transcription, or are on their way to it */
    bool wanted; /* look for work */
    bool claiming; /* a claim is on its way */
    bool sweeping_leases, sweeping_stalled;
    int64_t due_wall_ns; /* of the next waiting job; XR_TIME_NONE: none known */
    int64_t next_lease_sweep, next_stall_sweep; /* monotonic */
    int64_t last_ok_ns; /* monotonic: the last write of ours that got through */

    struct xr_write claim_write, lease_write, stall_write;
    struct xr_job claimed;
    int64_t claim_next_due;
    struct xr_job lost[XR_SWEEP_BATCH];
    int64_t lost_seq[XR_SWEEP_BATCH];
    size_t lost_count;
    struct xr_replay_ref stalled[XR_SWEEP_BATCH];
    size_t stalled_count;
    uint64_t losses_seen, losses_mended; /* of xr_store_queue_losses; the writer's */
    size_t requeued;
};

const struct xr_jobs_deps *xr_jobs_deps_of(const struct xr_jobs *jobs) {
    return &jobs->deps;
}

const struct xr_jobs_config *xr_jobs_config_of(const struct xr_jobs *jobs) {
    return &jobs->config;
}

struct xr_reader_pool *xr_jobs_readers(struct xr_jobs *jobs) {
    return jobs->readers;
}

bool xr_jobs_stopping(const struct xr_jobs *jobs) {
    return atomic_load(&jobs->stopping);
}

int64_t xr_jobs_lease_s(const struct xr_jobs *jobs) {
    return 2 * jobs->config.stage_timeout_s + XR_JOB_LEASE_MARGIN_S;
}

static bool transcription_is(const struct xr_jobs *jobs, const char *provider) {
    struct xr_provider_choice choice = xr_providers_choice(jobs->deps.providers_config, XR_STAGE_TRANSCRIPTION);
    return strcmp(choice.provider, provider) == 0;
}

bool xr_jobs_transcription_none(const struct xr_jobs *jobs) {
    return transcription_is(jobs, "none");
}

static int64_t now_mono(const struct xr_jobs *jobs) {
    return xr_clock_mono(jobs->deps.clock);
}

/* --- chains --- */

static void run_chain(struct xr_task *task) {
    struct xr_chain *chain = (struct xr_chain *)task;
    chain->run(chain);
}

void xr_jobs_park(struct xr_jobs *jobs, struct xr_chain *chain, void (*run)(struct xr_chain *chain), int64_t delay_ms) {
    pthread_mutex_lock(&jobs->lock);
    chain->run = run;
    chain->parked_until_ns = now_mono(jobs) + delay_ms * XR_NS_PER_MS;
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
}

void xr_jobs_resume(struct xr_jobs *jobs, struct xr_chain *chain, void (*run)(struct xr_chain *chain)) {
    struct xr_err err;
    chain->run = run;
    chain->task.run = run_chain;
    if (xr_pool_submit(jobs->pool, &chain->task, &err) != XR_OK)
        xr_jobs_park(jobs, chain, run, XR_ENDING_RETRY_MS);
}

static void list_add(struct xr_jobs *jobs, struct xr_chain *chain) {
    chain->next = jobs->chains;
    if (jobs->chains)
        jobs->chains->prev = chain;
    jobs->chains = chain;
    jobs->chain_count++;
    chain->decodes = jobs->local_transcription && chain->first == XR_JOB_ANALYZE;
    jobs->decoding += chain->decodes;
}

static void leave_decoders(struct xr_jobs *jobs, struct xr_chain *chain) {
    jobs->decoding -= chain->decodes;
    chain->decodes = false;
}

static void list_remove(struct xr_jobs *jobs, struct xr_chain *chain) {
    if (chain->prev)
        chain->prev->next = chain->next;
    else
        jobs->chains = chain->next;
    if (chain->next)
        chain->next->prev = chain->prev;
    jobs->chain_count--;
}

static void look_locked(struct xr_jobs *jobs);

/* Nothing of `jobs` may be touched once the lock is given up: with its last chain over, it may be freed. */
void xr_jobs_chain_over(struct xr_jobs *jobs, struct xr_chain *chain) {
    pthread_mutex_lock(&jobs->lock);
    list_remove(jobs, chain);
    leave_decoders(jobs, chain);
    look_locked(jobs);
    pthread_cond_broadcast(&jobs->quiet);
    pthread_cond_signal(&jobs->wake); /* the thread ends with the last chain */
    pthread_mutex_unlock(&jobs->lock);
    xr_chain_free(chain);
}

void xr_jobs_transcribed(struct xr_jobs *jobs, struct xr_chain *chain) {
    pthread_mutex_lock(&jobs->lock);
    if (chain->decodes) {
        leave_decoders(jobs, chain);
        look_locked(jobs);
    }
    pthread_mutex_unlock(&jobs->lock);
}

/* Is there room for one more chain? Replays that are decoded on this machine wait in the queue, not in a stage whose
 * deadline runs. */
static bool has_room(const struct xr_jobs *jobs) {
    return jobs->chain_count < jobs->config.chains && jobs->decoding < jobs->config.workers;
}

/* --- claims --- */

static enum xr_code apply_claim(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    return xr_queue_tx_claim(tx, xr_jobs_lease_s(jobs), &jobs->claimed, &jobs->claim_next_due, err);
}

/* A write of ours is over, under the lock. */
static void note_write(struct xr_jobs *jobs, bool ok) {
    int64_t now = now_mono(jobs);
    if (ok)
        jobs->last_ok_ns = now;
    pthread_cond_broadcast(&jobs->quiet);
}

/* The claimed job's chain, in the list; under the lock. */
static struct xr_chain *adopt_claimed(struct xr_jobs *jobs) {
    struct xr_chain *chain = jobs->spare;
    jobs->spare = NULL;
    xr_chain_adopt(chain, &jobs->claimed);
    list_add(jobs, chain);
    return chain;
}

static void try_again_soon(struct xr_jobs *jobs) {
    jobs->due_wall_ns = xr_clock_wall(jobs->deps.clock) + XR_ENDING_RETRY_MS * XR_NS_PER_MS;
}

static void claim_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    struct xr_chain *chain = NULL;
    (void)err; /* told by xr_jobs_health once it lasts */
    pthread_mutex_lock(&jobs->lock);
    jobs->claiming = false;
    note_write(jobs, code == XR_OK || code == XR_NOT_FOUND);
    if (code == XR_NOT_FOUND)
        jobs->due_wall_ns = jobs->claim_next_due;
    else if (code != XR_OK)
        try_again_soon(jobs);
    else
        chain = adopt_claimed(jobs);
    /* There may be more, or there was a kick meanwhile. */
    if (code == XR_OK || (code == XR_NOT_FOUND && jobs->wanted))
        look_locked(jobs);
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    if (chain)
        xr_jobs_resume(jobs, chain, xr_chain_start);
}

/* Submitting under the lock is fine: done is never called from inside submit. */
static bool submit_claim(struct xr_jobs *jobs) {
    struct xr_err err;
    if (!jobs->spare)
        jobs->spare = xr_chain_new(jobs);
    jobs->claim_write = (struct xr_write){.apply = apply_claim, .done = claim_done, .ctx = jobs};
    return jobs->spare && xr_store_submit(jobs->deps.store, &jobs->claim_write, &err) == XR_OK;
}

/* Submits a claim unless one is on its way or there is no room; under the lock. */
static void look_locked(struct xr_jobs *jobs) {
    jobs->wanted = true;
    if (jobs->claiming || jobs->stopping || !has_room(jobs))
        return;
    jobs->wanted = false;
    jobs->claiming = submit_claim(jobs);
    if (!jobs->claiming) {
        try_again_soon(jobs);
        pthread_cond_signal(&jobs->wake);
    }
}

void xr_jobs_kick(struct xr_jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    look_locked(jobs);
    pthread_mutex_unlock(&jobs->lock);
}

/* --- sweeps --- */

static void publish(struct xr_jobs *jobs, const struct xr_uuid *topic, struct xr_event *event) {
    if (event)
        xr_hub_publish(jobs->deps.hub, topic, event);
    xr_event_unref(event);
}

static void announce_failure(struct xr_jobs *jobs, const struct xr_uuid *topic, enum xr_reason reason, int64_t seq) {
    char replay[XR_UUID_TEXT + 1];
    xr_uuid_format(topic, replay);
    xr_log(jobs->deps.log, XR_LOG_WARN, "replay failed", XR_LOG_S("replay_id", replay),
           XR_LOG_S("reason", xr_reason_name(reason)));
    publish(jobs, topic, xr_announce_state(XR_FAILED_STATE, XR_STEP_NONE, seq));
    publish(jobs, topic, xr_announce_failed(reason, seq));
}

/* A commit of queue.db that failed after xray.db's may have taken the job of a replay with it. */
static enum xr_code mend_queue(struct xr_store_tx *tx, struct xr_jobs *jobs, struct xr_err *err) {
    jobs->losses_seen = xr_store_queue_losses(jobs->deps.store);
    jobs->requeued = 0;
    return jobs->losses_seen == jobs->losses_mended ? XR_OK : xr_reconcile_tx(tx, &jobs->requeued, err);
}

static enum xr_code apply_lease_sweep(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    struct xr_replay row;
    struct xr_replay_change change = {.actor = XR_BY_WORKER,
                                      .to = XR_FAILED_STATE,
                                      .reason = XR_REASON_WORKER_LOST,
                                      .finished_ns = XR_TIME_NONE,
                                      .job_id = -1};
    enum xr_code code = mend_queue(tx, jobs, err);
    if (code == XR_OK)
        code = xr_queue_tx_expire(tx, jobs->lost, XR_SWEEP_BATCH, &jobs->lost_count, err);
    for (size_t i = 0; code == XR_OK && i < jobs->lost_count; i++) {
        code = xr_store_tx_replay_change(tx, jobs->lost[i].replay_id, &change, &row, err);
        jobs->lost_seq[i] = code == XR_OK ? row.seq : -1;
        if (code == XR_CONFLICT || code == XR_NOT_FOUND)
            code = XR_OK; /* it ended some other way: nothing to fail */
    }
    return code;
}

static void lease_sweep_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    (void)err;
    for (size_t i = 0; code == XR_OK && i < jobs->lost_count; i++)
        if (jobs->lost_seq[i] >= 0)
            announce_failure(jobs, &jobs->lost[i].replay_uuid, XR_REASON_WORKER_LOST, jobs->lost_seq[i]);
    if (code == XR_OK)
        jobs->losses_mended = jobs->losses_seen;
    if (code == XR_OK && jobs->requeued > 0)
        xr_log(jobs->deps.log, XR_LOG_WARN, "replays queued again", XR_LOG_I("count", jobs->requeued));
    pthread_mutex_lock(&jobs->lock);
    jobs->sweeping_leases = false;
    look_locked(jobs);
    note_write(jobs, code == XR_OK);
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
}

static enum xr_code apply_stall_sweep(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    int64_t before = xr_store_tx_now(tx) - jobs->config.stall_timeout_s * XR_NS_PER_S;
    return xr_store_tx_replays_stall(tx, before, jobs->stalled, XR_SWEEP_BATCH, &jobs->stalled_count, err);
}

static void stall_sweep_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_jobs *jobs = write->ctx;
    (void)err;
    for (size_t i = 0; code == XR_OK && i < jobs->stalled_count; i++)
        announce_failure(jobs, &jobs->stalled[i].uuid, XR_REASON_STALLED, jobs->stalled[i].seq);
    pthread_mutex_lock(&jobs->lock);
    jobs->sweeping_stalled = false;
    note_write(jobs, code == XR_OK);
    if (code == XR_OK && jobs->stalled_count == XR_SWEEP_BATCH)
        jobs->next_stall_sweep = 0; /* a full batch: there may be more */
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
}

/* Under the lock. */
static bool submit_sweep(struct xr_jobs *jobs, struct xr_write *write,
                         enum xr_code (*apply)(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err),
                         void (*done)(struct xr_write *write, enum xr_code code, const struct xr_err *err)) {
    struct xr_err err;
    *write = (struct xr_write){.apply = apply, .done = done, .ctx = jobs};
    return xr_store_submit(jobs->deps.store, write, &err) == XR_OK;
}

static int64_t stall_sweep_interval_s(const struct xr_jobs *jobs) {
    int64_t s = jobs->config.stall_timeout_s / 10;
    return s < 1 ? 1 : s > XR_STALL_SWEEP_MAX_S ? XR_STALL_SWEEP_MAX_S : s;
}

/* --- the thread --- */

/* A parked chain whose time has come, unparked; under the lock. */
static struct xr_chain *unpark(struct xr_jobs *jobs, int64_t now) {
    for (struct xr_chain *chain = jobs->chains; chain; chain = chain->next) {
        if (chain->parked_until_ns != 0 && chain->parked_until_ns <= now) {
            chain->parked_until_ns = 0;
            return chain;
        }
    }
    return NULL;
}

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When the thread must look again, monotonic; INT64_MAX: not before it is woken. While the server stops, only parked
 * chains matter. Under the lock. */
static int64_t next_wake(struct xr_jobs *jobs, int64_t now) {
    int64_t at = INT64_MAX;
    if (!jobs->stopping && !jobs->sweeping_leases)
        at = jobs->next_lease_sweep;
    if (!jobs->stopping && !jobs->sweeping_stalled)
        at = earliest(at, jobs->next_stall_sweep);
    if (!jobs->stopping && jobs->due_wall_ns != XR_TIME_NONE) {
        int64_t wait = jobs->due_wall_ns - xr_clock_wall(jobs->deps.clock);
        at = earliest(at, now + (wait > 0 ? wait : 0));
    }
    for (struct xr_chain *chain = jobs->chains; chain; chain = chain->next)
        if (chain->parked_until_ns != 0)
            at = earliest(at, chain->parked_until_ns);
    return at;
}

/* Starts what is due; under the lock. */
static void do_due(struct xr_jobs *jobs, int64_t now) {
    if (!jobs->sweeping_leases && now >= jobs->next_lease_sweep) {
        jobs->next_lease_sweep = now + XR_LEASE_SWEEP_S * XR_NS_PER_S;
        jobs->sweeping_leases = submit_sweep(jobs, &jobs->lease_write, apply_lease_sweep, lease_sweep_done);
    }
    if (!jobs->sweeping_stalled && now >= jobs->next_stall_sweep) {
        jobs->next_stall_sweep = now + stall_sweep_interval_s(jobs) * XR_NS_PER_S;
        jobs->sweeping_stalled = submit_sweep(jobs, &jobs->stall_write, apply_stall_sweep, stall_sweep_done);
    }
    bool work = jobs->wanted && !jobs->claiming && jobs->due_wall_ns == XR_TIME_NONE;
    if (jobs->due_wall_ns != XR_TIME_NONE && jobs->due_wall_ns <= xr_clock_wall(jobs->deps.clock)) {
        jobs->due_wall_ns = XR_TIME_NONE;
        work = true;
    }
    if (work)
        look_locked(jobs);
}

static void sleep_until(struct xr_jobs *jobs, int64_t at) {
    struct timespec until = {.tv_sec = at / XR_NS_PER_S, .tv_nsec = at % XR_NS_PER_S};
    if (at == INT64_MAX)
        pthread_cond_wait(&jobs->wake, &jobs->lock);
    else
        pthread_cond_timedwait(&jobs->wake, &jobs->lock, &until);
}

static void *keep_time(void *arg) {
    struct xr_jobs *jobs = arg;
    pthread_setname_np(pthread_self(), "jobs");
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping || jobs->chain_count > 0) {
        int64_t now = now_mono(jobs);
        for (struct xr_chain *chain = unpark(jobs, now); chain; chain = unpark(jobs, now)) {
            pthread_mutex_unlock(&jobs->lock);
            xr_jobs_resume(jobs, chain, chain->run);
            pthread_mutex_lock(&jobs->lock);
        }
        if (!jobs->stopping)
            do_due(jobs, now);
        int64_t at = next_wake(jobs, now);
        if (at > now && (!jobs->stopping || jobs->chain_count > 0))
            sleep_until(jobs, at);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* --- start and stop --- */

static void jobs_free(struct xr_jobs *jobs) {
    xr_chain_free(jobs->spare);
    xr_pool_free(jobs->pool);
    xr_reader_pool_free(jobs->readers);
    pthread_cond_destroy(&jobs->wake);
    pthread_cond_destroy(&jobs->quiet);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

static void init_sync(struct xr_jobs *jobs) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->wake, &monotonic);
    pthread_cond_init(&jobs->quiet, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&jobs->lock, NULL);
}

enum xr_code xr_jobs_start(const struct xr_jobs_deps *deps, const struct xr_jobs_config *config,
                           struct xr_jobs **ret_jobs, struct xr_err *err) {
    struct xr_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    jobs->deps = *deps;
    jobs->config = *config;
    jobs->local_transcription = transcription_is(jobs, "local");
    jobs->due_wall_ns = XR_TIME_NONE;
    init_sync(jobs);
    int64_t now = now_mono(jobs);
    jobs->last_ok_ns = now;
    jobs->next_lease_sweep = now; /* a job may have lost its last lease with the process before */
    enum xr_code code = xr_pool_new("worker", config->workers, XR_TASKS_MAX, &jobs->pool, err);
    if (code == XR_OK)
        code = xr_reader_pool_new(deps->store, config->workers, &jobs->readers, err);
    if (code == XR_OK)
        code = xr_reconcile(deps->store, deps->log, err);
    if (code == XR_OK && pthread_create(&jobs->thread, NULL, keep_time, jobs) != 0)
        code = xr_fail(err, XR_INTERNAL, NULL, "no thread for the job queue");
    if (code != XR_OK) {
        jobs_free(jobs);
        return code;
    }
    *ret_jobs = jobs;
    xr_jobs_kick(jobs);
    return XR_OK;
}

enum { HEALTH_LIMIT_S = 15 };

enum xr_code xr_jobs_health(struct xr_jobs *jobs, struct xr_err *err) {
    pthread_mutex_lock(&jobs->lock);
    int64_t silent = now_mono(jobs) - jobs->last_ok_ns;
    pthread_mutex_unlock(&jobs->lock);
    /* The lease sweep writes every XR_LEASE_SWEEP_S, so silence means that nothing gets through. */
    if (silent > HEALTH_LIMIT_S * XR_NS_PER_S)
        return xr_fail(err, XR_UNAVAILABLE, NULL, "the queue has not got a write through for %lld s",
                       (long long)(silent / XR_NS_PER_S));
    return XR_OK;
}

static bool writing(const struct xr_jobs *jobs) {
    return jobs->claiming || jobs->sweeping_leases || jobs->sweeping_stalled;
}

/* Waits until no chain is left or the time is up; and, however long it takes, for our own writes: a claim that was on
 * its way may bring one more chain. */
static void wait_until_quiet(struct xr_jobs *jobs) {
    int64_t limit = now_mono(jobs) + XR_STOP_WAIT_S * XR_NS_PER_S;
    struct timespec until = {.tv_sec = limit / XR_NS_PER_S, .tv_nsec = limit % XR_NS_PER_S};
    bool timed_out = false;
    while (writing(jobs) || (jobs->chain_count > 0 && !timed_out)) {
        if (timed_out)
            pthread_cond_wait(&jobs->quiet, &jobs->lock);
        else
            timed_out = pthread_cond_timedwait(&jobs->quiet, &jobs->lock, &until) != 0;
    }
}

size_t xr_jobs_stop(struct xr_jobs *jobs) {
    if (!jobs)
        return 0;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (struct xr_chain *chain = jobs->chains; chain; chain = chain->next)
        atomic_store(&chain->group.cancelled, true);
    pthread_cond_signal(&jobs->wake);
    wait_until_quiet(jobs);
    size_t left = jobs->chain_count;
    pthread_mutex_unlock(&jobs->lock);
    if (left > 0)
        return left;
    pthread_join(jobs->thread, NULL);
    jobs_free(jobs);
    return 0;
}
