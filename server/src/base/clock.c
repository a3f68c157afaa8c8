// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * XR_NS_PER_S + t.tv_nsec;
}

static int64_t system_wall(void *ctx) {
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *ctx) {
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

const struct xr_clock *xr_clock_system(void) {
    static const struct xr_clock CLOCK = {.wall_ns = system_wall, .mono_ns = system_mono};
    return &CLOCK;
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

int64_t xr_ns_to_ms(int64_t ns) {
    return floor_div(ns, XR_NS_PER_MS);
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static int64_t days_from_civil(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = floor_div(y, 400);
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *ret_y, int *ret_m, int *ret_d) {
    z += 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}

static char *put_two_digits(char *out, unsigned v) {
    out[0] = (char)('0' + v / 10);
    out[1] = (char)('0' + v % 10);
    return out + 2;
}

static char *put_date(char *out, int64_t day) {
    int64_t y;
    int m, d;
    civil_from_days(day, &y, &m, &d);
    out = put_two_digits(out, (unsigned)y / 100);
    out = put_two_digits(out, (unsigned)y % 100);
    *out++ = '-';
    out = put_two_digits(out, (unsigned)m);
    *out++ = '-';
    return put_two_digits(out, (unsigned)d);
}

/* Digit by digit: a detail has ten thousand times, for which a printf is slow. */
void xr_time_format(int64_t wall_ns, char out[XR_ISO_MAX]) {
    int64_t ms = xr_ns_to_ms(wall_ns), day = floor_div(ms, 86400000);
    unsigned in_day = (unsigned)(ms - day * 86400000);
    out = put_date(out, day);
    *out++ = 'T';
    out = put_two_digits(out, in_day / 3600000);
    *out++ = ':';
    out = put_two_digits(out, in_day / 60000 % 60);
    *out++ = ':';
    out = put_two_digits(out, in_day / 1000 % 60);
    *out++ = '.';
    *out++ = (char)('0' + in_day % 1000 / 100);
    out = put_two_digits(out, in_day % 100);
    *out++ = 'Z';
    *out = '\0';
}

/* `count` decimal digits at *at; -1 if they are not there. */
static int64_t take_digits(struct xr_str s, size_t *at, size_t count) {
    int64_t v = 0;
    if (s.len - *at < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char c = s.ptr[*at + i];
        if (c < '0' || c > '9')
            return -1;
        v = v * 10 + (c - '0');
    }
    *at += count;
    return v;
}

static bool take_char(struct xr_str s, size_t *at, char c) {
    if (*at >= s.len || s.ptr[*at] != c)
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int64_t y, int64_t m) {
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return DAYS[m - 1] + (m == 2 && leap);
}

/* [.0-9 digits] as nanoseconds, -1 if malformed. */
static int64_t take_fraction(struct xr_str s, size_t *at) {
    if (!take_char(s, at, '.'))
        return 0;
    int64_t ns = 0;
    int digits = 0;
    for (; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9'; (*at)++, digits++) {
        if (digits == 9)
            return -1;
        ns = ns * 10 + (s.ptr[*at] - '0');
    }
    for (int i = digits; i < 9; i++)
        ns *= 10;
    return ns;
}

/* Z or +HH:MM as seconds east of UTC. */
static bool take_offset(struct xr_str s, size_t *at, int64_t *ret_s) {
    if (take_char(s, at, 'Z')) {
        *ret_s = 0;
        return true;
    }
    int sign = take_char(s, at, '+') ? 1 : take_char(s, at, '-') ? -1 : 0;
    int64_t h = take_digits(s, at, 2);
    if (sign == 0 || h < 0 || h > 23 || !take_char(s, at, ':'))
        return false;
    int64_t m = take_digits(s, at, 2);
    if (m < 0 || m > 59)
        return false;
    *ret_s = sign * (h * 3600 + m * 60);
    return true;
}

static bool parse_date_time(struct xr_str s, int64_t *ret_s, int64_t *ret_ns) {
    size_t at = 0;
    int64_t f[6], offset = 0;
    static const size_t WIDTHS[6] = {4, 2, 2, 2, 2, 2};
    static const char AFTER[6] = {'-', '-', 'T', ':', ':', 0};
    for (int i = 0; i < 6; i++) {
        f[i] = take_digits(s, &at, WIDTHS[i]);
        if (f[i] < 0 || (AFTER[i] && !take_char(s, &at, AFTER[i])))
            return false;
    }
    int64_t ns = take_fraction(s, &at);
    if (ns < 0 || !take_offset(s, &at, &offset) || at != s.len)
        return false;
    if (f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > days_in_month(f[0], f[1]) || f[3] > 23 || f[4] > 59 || f[5] > 59)
        return false;
    *ret_s = days_from_civil(f[0], (int)f[1], (int)f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5] - offset;
    *ret_ns = ns;
    return true;
}

enum xr_code xr_time_parse(struct xr_str text, int64_t *ret_wall_ns, struct xr_err *err) {
    int64_t s, ns, out;
    if (!parse_date_time(text, &s, &ns))
        return xr_fail(err, XR_INVALID, NULL, "must be an ISO-8601 date and time with Z or an offset");
    if (__builtin_mul_overflow(s, XR_NS_PER_S, &out) || __builtin_add_overflow(out, ns, &out) || out == XR_TIME_NONE)
        return xr_fail(err, XR_INVALID, NULL, "must lie between the years 1678 and 2261");
    *ret_wall_ns = out;
    return XR_OK;
}
