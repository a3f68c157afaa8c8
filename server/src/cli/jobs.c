// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "cli/cli.h"
#include "queue/queue.h"
#include <stdio.h>

static void print_row(const struct xr_job_row *row, void *ctx) {
    char due[XR_ISO_MAX];
    size_t *count = ctx;
    if (++*count == 1)
        printf("%-6s  %-8s  %-17s  %-36s  %-7s  %-24s  %s\n", "JOB", "STATE", "STAGE", "REPLAY", "ATTEMPT",
               "DUE OR BURIED", "LAST ERROR");
    xr_time_format(row->due_ns, due);
    printf("%-6lld  %-8s  %-17s  %-36s  %-7d  %-24s  %.*s\n", (long long)row->id, row->state, row->stage,
           row->replay_id, row->attempt, due, XR_STR_ARG(row->last_error));
}

int xr_cli_jobs(const struct xr_config *config) {
    struct xr_err err;
    size_t count = 0;
    if (xr_queue_jobs_each(config->queue_path, print_row, &count, &err) != XR_OK) {
        fprintf(stderr, "xrayd: %s\n", err.message);
        return 1;
    }
    if (count == 0)
        puts("no jobs");
    return 0;
}
