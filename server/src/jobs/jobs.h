// SPDX-License-Identifier: Apache-2.0
/* jobs/jobs.h - runs the analyze chain: claims jobs from the queue, walks each replay through its three stages, writes
 * what they find, announces it, and sweeps what stalls. Any thread may call anything, but start and stop belong to
 * main.
 *
 * A claimed job becomes a chain (chain.h). Stages run on the worker pool; while a provider works, no thread waits. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "events/hub.h"
#include "providers/providers.h"
#include "store/files.h"
#include "store/store.h"

struct xr_jobs;
/* All borrowed, all outlive it. */
struct xr_jobs_deps {
    const struct xr_clock *clock;
    const struct xr_log *log;
    struct xr_store *store;
    struct xr_files *files;
    struct xr_providers *providers;
    const struct xr_providers_config *providers_config;
    struct xr_hub *hub;
};
struct xr_jobs_config {
    unsigned workers; /* threads that compute */
    unsigned concurrency; /* provider calls of one replay at once */
    size_t chains; /* replays in analysis at once */
    int64_t stage_timeout_s; /* deadline of each stage */
    int64_t stall_timeout_s; /* of a pending or running replay that nobody touches */
};
/* Puts the queue right after whatever happened before (leases of an earlier process are void; a replay that says
 * `analyzing` without a job is queued again), then starts. Waits for the disk: main's thread only. */
XR_MUST_USE enum xr_code xr_jobs_start(const struct xr_jobs_deps *deps, const struct xr_jobs_config *config,
                                       struct xr_jobs **ret_jobs, struct xr_err *err);
/* A job was enqueued and committed. Never waits. */
void xr_jobs_kick(struct xr_jobs *jobs);
/* XR_OK when the queue's thread is alive and claims get through (for /readyz). */
XR_MUST_USE enum xr_code xr_jobs_health(struct xr_jobs *jobs, struct xr_err *err);
/* No new claims; provider calls are cancelled and their jobs leased back, other work may finish for XR_STOP_WAIT_S. 0:
 * all is over and freed. Else so many chains would not stop: nothing is freed, the process must end without freeing
 * what they use, and the next start voids their leases. May be called again to wait once more. NULL is fine. */
XR_MUST_USE size_t xr_jobs_stop(struct xr_jobs *jobs);
