// SPDX-License-Identifier: Apache-2.0
/* xrayd: wiring only. Starts the parts from the bottom up, waits for a signal, stops them from the top down. */
#include "base/limits.h"
#include "cli/cli.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    REQUEST_THREADS_MAX = 16,
    FILE_THREADS = 2,
    DECODE_THREADS = 2,
    PROBLEMS_MAX = 64 * 1024,
    FILES_WANTED = 65536,
    ARENAS_MAX = 4
};

static const char USAGE[] =
    "usage: xrayd [COMMAND]\n"
    "\n"
    "Without a command the server runs. It is configured by environment variables; see docs/configuration.md.\n"
    "\n"
    "  healthcheck     exit 0 if the configured server answers, else 1\n"
    "  jobs            list live jobs and dead letters\n"
    "  --check-config  print the configuration that would be used, or every problem in it\n"
    "  --version       print the version\n"
    "  --help          print this text\n";

struct server {
    struct xr_config config;
    struct xr_log *log;
    struct xr_files *files;
    struct xr_store *store;
    struct xr_hub *hub;
    struct xr_providers *providers;
    struct xr_pool *files_pool, *decode_pool;
    struct xr_ingest *ingest;
    struct xr_jobs *jobs;
    struct xr_http *http;
};

static void kick(void *ctx) {
    xr_jobs_kick(((struct server *)ctx)->jobs);
}

static enum xr_code queue_health(void *ctx, struct xr_err *err) {
    return xr_jobs_health(((struct server *)ctx)->jobs, err);
}

static enum xr_code open_volume(struct server *s, struct xr_err *err) {
    XR_AUTO(xr_store_reader_closep) struct xr_store_reader *reader = NULL;
    size_t removed = 0;
    enum xr_code code = xr_files_open(s->config.data_dir, &s->files, err);
    if (code == XR_OK)
        code = xr_store_open(s->config.db_path, s->config.queue_path, xr_clock_system(), &s->store, err);
    if (code == XR_OK)
        code = xr_store_reader_open(s->store, &reader, err);
    if (code == XR_OK)
        code = xr_files_sweep(s->files, reader, &removed, err);
    if (code == XR_OK && removed > 0)
        xr_log(s->log, XR_LOG_INFO, "orphaned files removed", XR_LOG_I("count", removed));
    return code;
}

static enum xr_code start_speech(struct server *s, struct xr_err *err) {
    const struct xr_clock *clock = xr_clock_system();
    enum xr_code code =
        xr_providers_new(s->config.providers, s->config.workers, s->config.concurrency, clock, &s->providers, err);
    if (code == XR_OK)
        code = xr_pool_new("files", FILE_THREADS, XR_TASKS_MAX, &s->files_pool, err);
    if (code != XR_OK)
        return code;
    struct xr_ingest_deps deps = {.store = s->store,
                                  .files = s->files,
                                  .providers = s->providers,
                                  .config = s->config.providers,
                                  .pool = s->files_pool,
                                  .clock = clock,
                                  .timeout_s = s->config.stage_timeout_s};
    return xr_ingest_new(&deps, &s->ingest, err);
}

static enum xr_code start_jobs(struct server *s, struct xr_err *err) {
    struct xr_jobs_deps deps = {.clock = xr_clock_system(),
                                .log = s->log,
                                .store = s->store,
                                .files = s->files,
                                .providers = s->providers,
                                .providers_config = s->config.providers,
                                .hub = s->hub};
    struct xr_jobs_config config = {.workers = s->config.workers,
                                    .concurrency = s->config.concurrency,
                                    .chains = XR_CHAINS_MAX,
                                    .stage_timeout_s = s->config.stage_timeout_s,
                                    .stall_timeout_s = s->config.stall_timeout_s};
    return xr_jobs_start(&deps, &config, &s->jobs, err);
}

static enum xr_code start_http(struct server *s, struct xr_err *err) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cores < 1 ? 1 : cores > REQUEST_THREADS_MAX ? REQUEST_THREADS_MAX : (unsigned)cores;
    enum xr_code code = xr_pool_new("decode", DECODE_THREADS, XR_TASKS_MAX, &s->decode_pool, err);
    if (code != XR_OK)
        return code;
    struct xr_http_deps deps = {.clock = xr_clock_system(),
                                .log = s->log,
                                .store = s->store,
                                .files = s->files,
                                .ingest = s->ingest,
                                .providers = s->providers,
                                .hub = s->hub,
                                .files_pool = s->files_pool,
                                .decode_pool = s->decode_pool,
                                .kick = kick,
                                .queue_health = queue_health,
                                .ctx = s};
    return xr_http_start(s->config.host, s->config.port, threads, &deps, &s->http, err);
}

/* Gives back what was started, in the opposite order. */
static void stop(struct server *s) {
    if (s->http)
        xr_http_quiesce(s->http);
    if (s->hub)
        xr_hub_close(s->hub);
    if (s->http)
        xr_http_stop(s->http);
    size_t left = xr_jobs_stop(s->jobs);
    if (left > 0) {
        xr_log(s->log, XR_LOG_WARN, "jobs left running", XR_LOG_I("count", left));
        _exit(0); /* threads still use what would be freed below; the next start takes their jobs over */
    }
    xr_providers_free(s->providers);
    xr_pool_free(s->files_pool);
    xr_pool_free(s->decode_pool);
    xr_ingest_free(s->ingest);
    xr_hub_free(s->hub);
    xr_store_free(s->store);
    xr_files_free(s->files);
}

/* SIGTERM and SIGINT are blocked in every thread and taken here. */
static int wait_for_signal(const sigset_t *signals) {
    int signal = 0;
    while (sigwait(signals, &signal) != 0) {
    }
    return signal;
}

static void log_warnings(struct server *s) {
    struct xr_str rest = xr_buf_view(&s->config.warnings);
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t n = end ? (size_t)(end - rest.ptr) : rest.len;
        struct xr_log_field field = {.key = "message", .str = {.ptr = rest.ptr, .len = n}};
        xr_log_write(s->log, XR_LOG_WARN, "configuration", &field, 1);
        n += end != NULL;
        rest.ptr += n;
        rest.len -= n;
    }
}

static void set_process_limits(void) {
    struct rlimit files;
    /* A thousand event streams and uploads need descriptors; ask for what the system lets us have. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk to us, an error and not the end */
    mallopt(M_ARENA_MAX, ARENAS_MAX);
}

/* The environment and the headers of requests are in memory, so a core dump would hold the keys. The limit alone does
 * not stop one that the system hands to a program. */
static void forbid_core_dumps(void) {
    const struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* whose leak check attaches to the process, which this forbids as well */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int serve(struct server *s) {
    sigset_t signals;
    struct xr_err err = {0};
    set_process_limits();
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    log_warnings(s);
    enum xr_code code = open_volume(s, &err);
    if (code == XR_OK)
        code = xr_hub_new(&s->hub, &err);
    if (code == XR_OK)
        code = start_speech(s, &err);
    if (code == XR_OK)
        code = start_jobs(s, &err);
    if (code == XR_OK)
        code = start_http(s, &err);
    if (code == XR_OK) {
        xr_log(s->log, XR_LOG_INFO, "listening", XR_LOG_S("host", s->config.host),
               XR_LOG_I("port", xr_http_port(s->http)), XR_LOG_S("version", XR_VERSION));
        int signal = wait_for_signal(&signals);
        xr_log(s->log, XR_LOG_INFO, "stopping", XR_LOG_S("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"));
    } else {
        xr_log(s->log, XR_LOG_ERROR, "cannot start", XR_LOG_S("code", xr_code_name(code)),
               XR_LOG_S("error", err.message));
    }
    stop(s);
    return code == XR_OK ? 0 : 1;
}

static int check_config(const struct xr_config *config) {
    struct xr_buf out = xr_buf_make(PROBLEMS_MAX);
    xr_config_describe(config, &out);
    if (out.failed) {
        fputs("xrayd: out of memory\n", stderr);
        xr_buf_clear(&out);
        return 1;
    }
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout); /* before the warnings, wherever both go */
    if (config->warnings.len > 0)
        fwrite(config->warnings.data, 1, config->warnings.len, stderr);
    xr_buf_clear(&out);
    return 0;
}

static int run(const char *command, struct server *s) {
    if (!command)
        return serve(s);
    if (strcmp(command, "--check-config") == 0)
        return check_config(&s->config);
    if (strcmp(command, "healthcheck") == 0)
        return xr_cli_healthcheck(&s->config);
    return xr_cli_jobs(&s->config);
}

static bool is_command(const char *word) {
    return strcmp(word, "--check-config") == 0 || strcmp(word, "healthcheck") == 0 || strcmp(word, "jobs") == 0;
}

int main(int argc, char **argv) {
    struct server s = {0};
    struct xr_buf problems = xr_buf_make(PROBLEMS_MAX);
    const char *command = argc > 1 ? argv[1] : NULL;
    if (command && strcmp(command, "--help") == 0) {
        fputs(USAGE, stdout);
        return 0;
    }
    if (command && strcmp(command, "--version") == 0) {
        puts("xrayd " XR_VERSION);
        return 0;
    }
    if (argc > 2 || (command && !is_command(command))) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (xr_config_load(environ, &problems, &s.config, NULL) != XR_OK) {
        fprintf(stderr, "xrayd: the configuration is not usable:\n%.*s", (int)problems.len, problems.data);
        xr_buf_clear(&problems);
        return 1;
    }
    if (xr_providers_have_key(s.config.providers))
        forbid_core_dumps();
    s.log = xr_log_new(STDERR_FILENO, s.config.log_level, s.config.log_format);
    int status = run(command, &s);
    xr_log_free(s.log);
    xr_config_clear(&s.config);
    xr_buf_clear(&problems);
    return status;
}
