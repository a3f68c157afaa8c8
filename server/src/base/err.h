// SPDX-License-Identifier: Apache-2.0
/* base/err.h - the one closed set of error codes and the caller-owned detail that goes with it.
 *
 * A fallible call returns enum xr_code, takes `struct xr_err *err` last (NULL is fine: the detail is dropped), and
 * writes its `ret_` arguments only on XR_OK. Return or log, never both: only http, jobs and main log. */
#pragma once

#define XR_MUST_USE __attribute__((warn_unused_result))
#define XR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Cleanup attribute: XR_AUTO(xr_thing_freep) struct xr_thing *thing = NULL; */
#define XR_AUTO(fn) __attribute__((cleanup(fn)))

/* Defines name##p(type **), the form XR_AUTO wants, from name(type *). */
#define XR_DEFINE_FREEP(type, fn)                                                                                      \
    static inline void fn##p(type **thing) {                                                                           \
        fn(*thing);                                                                                                    \
    }

enum xr_code {
    XR_OK = 0,
    XR_INVALID, /* the caller's input is wrong: message says what, path says where */
    XR_NOT_FOUND, /* the named thing does not exist */
    XR_CONFLICT, /* the thing is not in the state the operation needs */
    XR_TOO_LARGE, /* a named bound was passed */
    XR_OVERLOADED, /* nothing was stored, the same call may be made again soon */
    XR_STORAGE_FULL, /* nothing was stored, the disk (or its reserve) is full */
    XR_IO, /* a file or a socket failed */
    XR_CORRUPT, /* stored or received bytes are not what they must be */
    XR_FOREIGN, /* a file belongs to another program or a newer version */
    XR_NO_MEMORY, /* an allocation failed or an arena's cap was reached */
    XR_NO_CREDENTIAL, /* a provider is needed and none is configured */
    XR_UNAVAILABLE, /* a provider gave no answer, or one with a status that is no success */
    XR_REFUSED, /* a provider cannot do what it is asked, or its answer cannot be used */
    XR_TIMEOUT, /* a deadline passed */
    XR_CANCELLED, /* the caller took the work back */
    XR_INTERNAL, /* a fault of ours */
    XR_CODE_COUNT
};

enum { XR_ERR_PATH_MAX = 160, XR_ERR_MESSAGE_MAX = 512 };

/* Detail of one failure. Plain value, no ownership; `path` is "" where there is none. Never holds a secret, and never
 * the caller's own value. `status` is a provider's HTTP status, 0 where there was none. */
struct xr_err {
    enum xr_code code;
    int status;
    char path[XR_ERR_PATH_MAX];
    char message[XR_ERR_MESSAGE_MAX];
};

/* Fills *err (if not NULL) and returns code: return xr_fail(err, XR_INVALID, "turns", "must be 1..%d", max);
 * `path` may be NULL. Long text is cut at a UTF-8 boundary. */
enum xr_code xr_fail(struct xr_err *err, enum xr_code code, const char *path, const char *fmt, ...) XR_PRINTF(4, 5);

/* The code's stable lower-case name, "invalid", "not_found", ... Never NULL. */
const char *xr_code_name(enum xr_code code);
