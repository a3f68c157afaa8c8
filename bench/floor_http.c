// SPDX-License-Identifier: Apache-2.0
/* The floor of the request figures: libmicrohttpd with the server's own flags, and nothing behind it. Answers every
 * request with the bytes of one file: floor_http PORT THREADS FILE. Ends with its standard input. */
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BODY_MAX = 4 * 1024 * 1024, PORT_MAX = 65535, THREADS_MAX = 64 };

static enum MHD_Result answer(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_size, void **con_cls) {
    static int seen;
    (void)url, (void)method, (void)version, (void)data, (void)data_size;
    if (!*con_cls) { /* the headers: an answer now would close the connection */
        *con_cls = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(mhd, MHD_HTTP_OK, cls);
}

static bool number(const char *text, long max, unsigned *ret_number) {
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || n < 1 || n > max)
        return false;
    *ret_number = (unsigned)n;
    return true;
}

static struct MHD_Response *load(const char *path) {
    FILE *file = fopen(path, "rb");
    char *body = malloc(BODY_MAX);
    struct MHD_Response *response = NULL;
    if (file && body) {
        size_t n = fread(body, 1, BODY_MAX, file);
        response = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_COPY);
    }
    if (response && MHD_add_response_header(response, "Content-Type", "application/json") != MHD_YES) {
        MHD_destroy_response(response);
        response = NULL;
    }
    free(body);
    if (file)
        fclose(file);
    return response;
}

int main(int argc, char **argv) {
    unsigned port, threads;
    if (argc != 4 || !number(argv[1], PORT_MAX, &port) || !number(argv[2], THREADS_MAX, &threads)) {
        fputs("usage: floor_http PORT THREADS FILE\n", stderr);
        return 2;
    }
    struct MHD_Response *response = load(argv[3]);
    if (!response) {
        perror(argv[3]);
        return 1;
    }
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, (uint16_t)port, NULL, NULL, answer,
                         response, threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!daemon) {
        fputs("floor_http: libmicrohttpd did not start\n", stderr);
        return 1;
    }
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
