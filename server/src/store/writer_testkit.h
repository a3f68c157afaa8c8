// SPDX-License-Identifier: Apache-2.0
/* store/writer_testkit.h - writes whose ends are recorded, for the tests of the writer. Link writer_testkit.c and
 * store_testkit.c. */
#pragma once
#include "store/store_testkit.h"
#include <pthread.h>
#include <semaphore.h>

/* One write of a test: adds the conversation `n` (named by the n-th letter, from 0), or a job for it, then answers
 * `answer`. */
struct item {
    struct xr_write write;
    struct log *log;
    uint8_t n;
    bool conversation, job;
    enum xr_code answer;
    sem_t *entered, *gate; /* inside apply: posts the one, then waits for the other */

    int64_t now_ns; /* seen by apply */
    enum xr_code code;
    struct xr_err err;
    int position; /* in the order of done */
};

/* Where writes are told to have ended. */
struct log {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int done;
};

void log_init(struct log *log);
void log_wait(struct log *log, int count);
void ready(struct item *item, struct log *log);
/* Links items into one chain. */
struct xr_write *chain(struct item *items, size_t count, struct log *log);
/* The one number that a query on a file gives. */
int64_t query(const char *path, const char *sql);
