// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loader {
    char *const *env;
    struct xr_buf *problems;
    struct xr_config config;
};

/* An empty variable counts as unset: that is how container files leave things out. */
static const char *lookup(const char *name, void *ctx) {
    const struct loader *loader = ctx;
    size_t n = strlen(name);
    for (char *const *e = loader->env; *e; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=' && (*e)[n + 1])
            return *e + n + 1;
    return NULL;
}

static bool is_ip(const char *text) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static void load_host(struct loader *l) {
    const char *host = lookup("XRAY_HOST", l), *other = lookup("HOST", l);
    if (!host && other && is_ip(other)) {
        host = other;
        xr_buf_printf(&l->config.warnings, "HOST is used as the address to listen on; XRAY_HOST is clearer\n");
    }
    host = host ? host : "127.0.0.1";
    if (!is_ip(host) || strlen(host) >= sizeof l->config.host)
        xr_buf_printf(l->problems, "XRAY_HOST must be an IP address\n");
    else
        memcpy(l->config.host, host, strlen(host) + 1);
}

static int64_t load_int(struct loader *l, const char *name, int64_t fallback, int64_t min, int64_t max) {
    const char *text = lookup(name, l);
    char *end = NULL;
    if (!text)
        return fallback;
    long long v = strlen(text) <= 12 ? strtoll(text, &end, 10) : 0;
    if (!end || *end || v < min || v > max) {
        xr_buf_printf(l->problems, "%s must be a whole number from %lld to %lld\n", name, (long long)min,
                      (long long)max);
        return fallback;
    }
    return v;
}

/* Index of the value among the choices. */
static size_t load_choice(struct loader *l, const char *name, size_t fallback, const char *const *choices, size_t n) {
    const char *text = lookup(name, l);
    for (size_t i = 0; text && i < n; i++)
        if (strcmp(text, choices[i]) == 0)
            return i;
    if (!text)
        return fallback;
    xr_buf_printf(l->problems, "%s must be one of:", name);
    for (size_t i = 0; i < n; i++)
        xr_buf_printf(l->problems, " %s", choices[i]);
    xr_buf_printf(l->problems, "\n");
    return fallback;
}

static void set_path(struct loader *l, const char *name, char out[XR_CONFIG_PATH_MAX], const char *dir,
                     const char *file) {
    struct xr_buf path = xr_buf_make(XR_CONFIG_PATH_MAX);
    xr_buf_printf(&path, "%s%s%s", dir, file ? "/" : "", file ? file : "");
    if (path.failed)
        xr_buf_printf(l->problems, "%s is too long\n", name);
    else
        memcpy(out, path.data, path.len + 1); /* printf left a NUL behind its text */
    xr_buf_clear(&path);
}

static void load_paths(struct loader *l) {
    const char *dir = lookup("XRAY_DATA_DIR", l), *queue = lookup("XRAY_QUEUE_PATH", l);
    const char *old = lookup("BUNQUEUE_DATA_PATH", l);
    dir = dir ? dir : "./xray-data";
    queue = queue ? queue : old;
    set_path(l, "XRAY_DATA_DIR", l->config.data_dir, dir, NULL);
    set_path(l, "XRAY_DATA_DIR", l->config.db_path, dir, "xray.db");
    if (queue)
        set_path(l, "XRAY_QUEUE_PATH", l->config.queue_path, queue, NULL);
    else
        set_path(l, "XRAY_DATA_DIR", l->config.queue_path, dir, "queue.db");
}

/* The names this version reads, beside those of the providers. */
static const char *const NAMES[] = {
    "XRAY_HOST", "XRAY_DATA_DIR",  "XRAY_QUEUE_PATH", "XRAY_STALL_TIMEOUT_S",      "XRAY_STAGE_TIMEOUT_S",
    "XRAY_LOG",  "XRAY_LOG_LEVEL", "XRAY_WORKERS",    "XRAY_PROVIDER_CONCURRENCY",
};

static void warn_of_unknown_names(struct loader *l) {
    for (char *const *e = l->env; *e; e++) {
        size_t n = strcspn(*e, "=");
        bool known = strncmp(*e, "XRAY_", 5) != 0 || xr_providers_variable((struct xr_str){.ptr = *e, .len = n});
        for (size_t i = 0; !known && i < sizeof NAMES / sizeof *NAMES; i++)
            known = strlen(NAMES[i]) == n && strncmp(*e, NAMES[i], n) == 0;
        if (!known)
            xr_buf_printf(&l->config.warnings, "%.*s is not a variable of this version\n", (int)n, *e);
    }
}

static void load_numbers(struct loader *l) {
    static const char *const FORMATS[] = {"json", "text"};
    static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    cores = cores < 1 ? 1 : cores > 64 ? 64 : cores;
    struct xr_config *c = &l->config;
    c->port = (uint16_t)load_int(l, "PORT", 8080, 0, 65535);
    c->stall_timeout_s = load_int(l, "XRAY_STALL_TIMEOUT_S", 3600, 1, 31536000);
    c->stage_timeout_s = load_int(l, "XRAY_STAGE_TIMEOUT_S", 300, 1, 86400);
    c->workers = (unsigned)load_int(l, "XRAY_WORKERS", cores, 1, 64);
    c->concurrency = (unsigned)load_int(l, "XRAY_PROVIDER_CONCURRENCY", 8, 1, XR_PROVIDER_CONCURRENCY_MAX);
    c->log_format = (enum xr_log_format)load_choice(l, "XRAY_LOG", XR_LOG_JSON, FORMATS, 2);
    c->log_level = (enum xr_log_level)load_choice(l, "XRAY_LOG_LEVEL", XR_LOG_INFO, LEVELS, 4);
}

enum { MESSAGES_MAX = 64 * 1024 };

enum xr_code xr_config_load(char *const *env, struct xr_buf *problems, struct xr_config *ret_config,
                            struct xr_err *err) {
    struct loader l = {.env = env, .problems = problems, .config.warnings = xr_buf_make(MESSAGES_MAX)};
    size_t before = problems->len;
    load_host(&l);
    load_numbers(&l);
    load_paths(&l);
    warn_of_unknown_names(&l);
    enum xr_code code = xr_providers_config_load(lookup, &l, problems, &l.config.providers, err);
    if (code == XR_OK && problems->len > before)
        code = XR_INVALID;
    if (code == XR_OK)
        xr_buf_str(&l.config.warnings, xr_providers_warnings(l.config.providers));
    if (code != XR_OK) {
        xr_config_clear(&l.config);
        return xr_fail(err, code, NULL, "the configuration is not usable");
    }
    *ret_config = l.config;
    return XR_OK;
}

void xr_config_clear(struct xr_config *config) {
    xr_providers_config_free(config->providers);
    config->providers = NULL;
    xr_buf_clear(&config->warnings);
}

void xr_config_describe(const struct xr_config *config, struct xr_buf *out) {
    xr_buf_printf(out, "listen: %s:%u\ndata: %s\nqueue: %s\n", config->host, config->port, config->data_dir,
                  config->queue_path);
    xr_buf_printf(out, "workers: %u\nprovider concurrency: %u\n", config->workers, config->concurrency);
    xr_buf_printf(out, "stage time-out: %lld s\nstall time-out: %lld s\n", (long long)config->stage_timeout_s,
                  (long long)config->stall_timeout_s);
    xr_providers_describe(config->providers, out);
}
