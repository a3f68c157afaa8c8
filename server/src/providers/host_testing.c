// SPDX-License-Identifier: Apache-2.0
#include "providers/host_testing.h"
#include "base/test.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUESTS_MAX = 512, REQUEST_MAX = 1024 * 1024 };

struct test_host {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int listener;
    char url[64];
    pthread_t acceptor;
    pthread_t threads[CONNECTIONS_MAX];
    int sockets[CONNECTIONS_MAX];
    size_t connections;
    const struct test_answer *answers;
    size_t answer_count, next_answer;
    char *requests[REQUESTS_MAX];
    size_t request_count, open, most;
};

struct connection {
    struct test_host *host;
    int socket;
};

int test_host_direct(void **state) {
    static const char *const NAMES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",   "all_proxy",   "ALL_PROXY",
                                        "no_proxy",   "NO_PROXY",    "SSL_CERT_FILE", "SSL_CERT_DIR"};
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        assert_int_equal(unsetenv(NAMES[i]), 0);
    return 0;
}

/* --- one request --- */

/* The length that a request will have, once its headers are there; 0: they are not yet. */
static size_t whole_length(const char *text) {
    const char *end = strstr(text, "\r\n\r\n"), *line = strcasestr(text, "\r\ncontent-length:");
    if (!end)
        return 0;
    size_t body = line && line < end ? strtoul(line + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    return (size_t)(end - text) + 4 + body;
}

/* NULL when the client has gone. */
static char *read_request(int socket) {
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t n = 0, whole = 0;
    assert_non_null(text);
    while ((whole == 0 || n < whole) && n < REQUEST_MAX) {
        ssize_t got = recv(socket, text + n, REQUEST_MAX - n, 0);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        n += (size_t)got;
        whole = whole_length(text);
    }
    return text;
}

static struct test_answer note_request(struct test_host *host, char *text) {
    pthread_mutex_lock(&host->lock);
    assert_true(host->request_count < REQUESTS_MAX && host->answer_count > 0);
    struct test_answer answer = host->answers[host->next_answer];
    if (host->next_answer + 1 < host->answer_count)
        host->next_answer++;
    host->requests[host->request_count++] = text;
    if (++host->open > host->most)
        host->most = host->open;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    return answer;
}

static void note_answered(struct test_host *host) {
    pthread_mutex_lock(&host->lock);
    host->open--;
    pthread_mutex_unlock(&host->lock);
}

/* Reads until the client goes away, or the host is freed. */
static void hang(int socket) {
    char byte;
    while (recv(socket, &byte, 1, 0) > 0) {
    }
}

static void send_all(int socket, const char *bytes) {
    size_t left = strlen(bytes);
    while (left > 0) {
        ssize_t sent = send(socket, bytes, left, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        left -= (size_t)sent;
    }
}

static void *serve(void *arg) {
    struct connection c = *(struct connection *)arg;
    free(arg);
    for (char *text; (text = read_request(c.socket));) {
        struct test_answer answer = note_request(c.host, text);
        if (answer.bytes && !answer.hang)
            note_answered(c.host);
        if (answer.bytes)
            send_all(c.socket, answer.bytes);
        if (answer.hang)
            hang(c.socket);
        if (answer.hang || !answer.bytes)
            note_answered(c.host);
        if (answer.hang || answer.cut)
            break;
    }
    shutdown(c.socket, SHUT_RDWR);
    return NULL;
}

/* --- connections --- */

static void add_connection(struct test_host *host, int socket) {
    struct connection *c = malloc(sizeof *c);
    assert_non_null(c);
    *c = (struct connection){.host = host, .socket = socket};
    pthread_mutex_lock(&host->lock);
    assert_true(host->connections < CONNECTIONS_MAX);
    host->sockets[host->connections] = socket;
    assert_int_equal(pthread_create(&host->threads[host->connections++], NULL, serve, c), 0);
    pthread_mutex_unlock(&host->lock);
}

static void *accept_all(void *arg) {
    struct test_host *host = arg;
    for (int socket; (socket = accept(host->listener, NULL, NULL)) >= 0;)
        add_connection(host, socket);
    return NULL;
}

struct test_host *test_host_new(void) {
    struct test_host *host = calloc(1, sizeof *host);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_non_null(host);
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->changed, NULL);
    host->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(host->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(host->listener, CONNECTIONS_MAX), 0);
    assert_int_equal(getsockname(host->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(host->url, sizeof host->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&host->acceptor, NULL, accept_all, host), 0);
    return host;
}

void test_host_free(struct test_host *host) {
    shutdown(host->listener, SHUT_RDWR);
    pthread_join(host->acceptor, NULL);
    close(host->listener);
    for (size_t i = 0; i < host->connections; i++)
        shutdown(host->sockets[i], SHUT_RDWR);
    for (size_t i = 0; i < host->connections; i++) {
        pthread_join(host->threads[i], NULL);
        close(host->sockets[i]);
    }
    for (size_t i = 0; i < host->request_count; i++)
        free(host->requests[i]);
    pthread_cond_destroy(&host->changed);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

/* --- what tests ask --- */

const char *test_host_url(const struct test_host *host) {
    return host->url;
}

void test_host_script(struct test_host *host, const struct test_answer *answers, size_t count) {
    pthread_mutex_lock(&host->lock);
    host->answers = answers;
    host->answer_count = count;
    host->next_answer = 0;
    pthread_mutex_unlock(&host->lock);
}

void test_host_await(struct test_host *host, size_t requests) {
    pthread_mutex_lock(&host->lock);
    while (host->request_count < requests)
        pthread_cond_wait(&host->changed, &host->lock);
    pthread_mutex_unlock(&host->lock);
}

static size_t locked(struct test_host *host, const size_t *value) {
    pthread_mutex_lock(&host->lock);
    size_t copy = *value;
    pthread_mutex_unlock(&host->lock);
    return copy;
}

size_t test_host_requests(struct test_host *host) {
    return locked(host, &host->request_count);
}

size_t test_host_connections(struct test_host *host) {
    return locked(host, &host->connections);
}

size_t test_host_most_at_once(struct test_host *host) {
    return locked(host, &host->most);
}

const char *test_host_request(struct test_host *host, size_t i) {
    pthread_mutex_lock(&host->lock);
    assert_true(i < host->request_count);
    const char *text = host->requests[i];
    pthread_mutex_unlock(&host->lock);
    return text;
}
