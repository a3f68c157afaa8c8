// SPDX-License-Identifier: Apache-2.0
/* base/log.h - one JSON object a line (or text for people) on stderr. Any thread; a line is one write(2). Lines are cut
 * at XR_LOG_LINE_MAX. Only http, jobs and main call it. Nothing secret is ever passed in. */
#pragma once
#include "base/str.h"
#include <stdint.h>

enum xr_log_level { XR_LOG_DEBUG, XR_LOG_INFO, XR_LOG_WARN, XR_LOG_ERROR };
enum xr_log_format { XR_LOG_JSON, XR_LOG_TEXT };

struct xr_log; /* level, format and file descriptor; immutable once made, so any thread may use it */
struct xr_log *xr_log_new(int fd, enum xr_log_level level, enum xr_log_format format);
void xr_log_free(struct xr_log *log);

/* A field of a line: XR_LOG_S("replay_id", id), XR_LOG_I("status", 200). */
struct xr_log_field {
    const char *key;
    struct xr_str str; /* used when is_int is 0 */
    int64_t num;
    int is_int;
};
#define XR_LOG_S(k, z) ((struct xr_log_field){.key = (k), .str = xr_str_from(z)})
#define XR_LOG_I(k, n) ((struct xr_log_field){.key = (k), .num = (int64_t)(n), .is_int = 1})

/* event: short, stable, lower case ("listening", "job failed"). log may be NULL (nothing is written). */
void xr_log_write(const struct xr_log *log, enum xr_log_level level, const char *event,
                  const struct xr_log_field *fields, size_t n);
#define xr_log(log, level, event, ...)                                                                                 \
    xr_log_write((log), (level), (event), (const struct xr_log_field[]){__VA_ARGS__},                                  \
                 sizeof((const struct xr_log_field[]){__VA_ARGS__}) / sizeof(struct xr_log_field))
