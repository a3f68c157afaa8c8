// SPDX-License-Identifier: Apache-2.0
/* providers/host_testing.h - a host that answers as a test says, byte for byte: HTTP/1.1 on 127.0.0.1, a thread a
 * connection. Link host_testing.c into the test. Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* A group's set-up in cmocka: what runs in this process asks hosts itself, and not by a proxy of the environment, nor
 * with certificates that it names. Before there are other threads. */
int test_host_direct(void **state);

struct test_host;
struct test_host *test_host_new(void);
void test_host_free(struct test_host *host); /* closes every connection, joins the threads */
const char *test_host_url(const struct test_host *host); /* "http://127.0.0.1:PORT" */

/* What a request gets: bytes as they are, then the connection is kept, or cut. It must outlive the host. */
struct test_answer {
    const char *bytes;
    bool hang; /* nothing is said (after `bytes`, if any) until the client goes away */
    bool cut; /* the connection is closed after the bytes */
};
/* Answers for the requests to come, one after the other; the last is for all that follow. */
void test_host_script(struct test_host *host, const struct test_answer *answers, size_t count);

void test_host_await(struct test_host *host, size_t requests); /* that have been read whole, since the beginning */
size_t test_host_requests(struct test_host *host);
size_t test_host_connections(struct test_host *host); /* accepted since the beginning */
size_t test_host_most_at_once(struct test_host *host); /* requests that were not answered yet */
/* The i-th request with its body, NUL-terminated; valid until test_host_free. */
const char *test_host_request(struct test_host *host, size_t i);
