// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct xr_log {
    int fd;
    enum xr_log_level level;
    enum xr_log_format format;
};

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};

struct xr_log *xr_log_new(int fd, enum xr_log_level level, enum xr_log_format format) {
    struct xr_log *log = calloc(1, sizeof *log);
    if (log)
        *log = (struct xr_log){.fd = fd, .level = level, .format = format};
    return log;
}

void xr_log_free(struct xr_log *log) {
    free(log);
}

/* A line must stay one line of valid JSON whatever a field holds. */
static struct xr_str printable(struct xr_str s) {
    if (s.len > XR_LOG_LINE_MAX / 4)
        s.len = XR_LOG_LINE_MAX / 4;
    while (s.len > 0 && !xr_utf8_valid(s))
        s.len--;
    return s;
}

static void write_json(struct xr_buf *buf, const char *time, const char *level, const char *event,
                       const struct xr_log_field *fields, size_t n) {
    struct xr_json j = xr_json_make(buf, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_strz(&j, "time", time);
    xr_json_kv_strz(&j, "level", level);
    xr_json_kv_strz(&j, "event", event);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].is_int)
            xr_json_kv_int(&j, fields[i].key, fields[i].num);
        else
            xr_json_kv_str(&j, fields[i].key, printable(fields[i].str));
    }
    xr_json_object_end(&j);
}

static void write_text(struct xr_buf *buf, const char *time, const char *level, const char *event,
                       const struct xr_log_field *fields, size_t n) {
    xr_buf_printf(buf, "%s %-5s %s", time, level, event);
    for (size_t i = 0; i < n; i++) {
        xr_buf_printf(buf, "  %s=", fields[i].key);
        if (fields[i].is_int) {
            xr_buf_printf(buf, "%lld", (long long)fields[i].num);
            continue;
        }
        struct xr_json j = xr_json_make(buf, XR_JSON_RESPONSE);
        xr_json_str(&j, printable(fields[i].str));
    }
}

void xr_log_write(const struct xr_log *log, enum xr_log_level level, const char *event,
                  const struct xr_log_field *fields, size_t n) {
    if (!log || level < log->level)
        return;
    char time[XR_ISO_MAX];
    xr_time_format(xr_clock_wall(xr_clock_system()), time);
    struct xr_buf buf = xr_buf_make(XR_LOG_LINE_MAX);
    if (log->format == XR_LOG_JSON)
        write_json(&buf, time, LEVELS[level], event, fields, n);
    else
        write_text(&buf, time, LEVELS[level], event, fields, n);
    if (buf.failed) { /* too many fields for one line: say at least what happened */
        xr_buf_clear(&buf);
        write_json(&buf, time, LEVELS[level], event, NULL, 0);
    }
    xr_buf_char(&buf, '\n');
    ssize_t written;
    do
        written = write(log->fd, buf.data, buf.len);
    while (written < 0 && errno == EINTR); /* a log that cannot be written has nowhere to say so */
    xr_buf_clear(&buf);
}
