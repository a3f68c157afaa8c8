// SPDX-License-Identifier: Apache-2.0
/* http/testkit.h - a real server on a free port and raw sockets to talk to it. Tests only; one thread at a time. */
#pragma once
#include "http/server.h"

struct xr_rig {
    struct xr_http *http;
    struct xr_hub *hub;
    struct xr_files *files;
    struct xr_pool *pool; /* where deferred requests do their work */
    struct xr_store *store; /* NULL without one */
    struct xr_providers *providers; /* NULL, or the test's; set these three before xr_rig_serve */
    struct xr_ingest *ingest; /* the same, but freed with the rig */
    const struct xr_log *log;
    _Atomic int kicks; /* how often the workers were woken */
    char dir[64]; /* the data directory */
};
/* times NULL: the real ones. */
struct xr_rig *xr_rig_start(const struct xr_route *routes, const struct xr_http_times *times);
/* The same with other bounds on the bodies that are held in memory and on large responses; 0: the real one. */
struct xr_rig *xr_rig_start_bounded(const struct xr_route *routes, size_t bodies_max, size_t sending_max);
/* The same with a store. */
struct xr_rig *xr_rig_start_stored(const struct xr_route *routes, const struct xr_http_times *times);
/* The same in two steps. */
struct xr_rig *xr_rig_new_stored(void);
void xr_rig_serve(struct xr_rig *rig, const struct xr_route *routes);
void xr_rig_stop(struct xr_rig *rig);
size_t xr_rig_temp_files(const struct xr_rig *rig);

int xr_dial(const struct xr_rig *rig);
void xr_say(int fd, const char *text); /* all of it; the peer may have closed */
void xr_say_bytes(int fd, const void *bytes, size_t n);

enum { XR_REPLY_MAX = 4 << 20 };
struct xr_reply {
    int status; /* 0: the connection ended before a whole response */
    char *head; /* status line and headers, NUL-terminated */
    char *body;
    size_t body_len;
    bool chunked;
};
/* Reads one response. head_only: of a HEAD request. Free with xr_reply_clear. */
struct xr_reply xr_hear(int fd, bool head_only);
struct xr_reply xr_ask(const struct xr_rig *rig, const char *request); /* on a connection of its own */
void xr_reply_clear(struct xr_reply *reply);
/* The value of a header, "" without it; in a static buffer. */
const char *xr_reply_header(const struct xr_reply *reply, const char *name);
/* Reads until text has come (what came before is dropped); false at the connection's end. */
bool xr_hear_until(int fd, const char *text);
/* True when the peer closes without sending another byte. */
bool xr_hear_end(int fd);
/* Submits one write, whose ctx is arg, and waits for it. */
void xr_commit(struct xr_store *store,
               enum xr_code (*apply)(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err), void *arg);
