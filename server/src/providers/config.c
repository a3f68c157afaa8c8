// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/text.h"
#include "providers/provider.h"
#include "providers/redact.h"
#include "providers/url.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define POCKETSPHINX_MODEL "/usr/share/pocketsphinx/model/en-us"

/* The variables of one stage. */
static const struct stage_vars {
    const char *selector, *model, *voice, *base_url, *key;
} STAGES[XR_STAGE_KIND_COUNT] = {
    [XR_STAGE_TTS] = {"XRAY_TTS_PROVIDER", "XRAY_TTS_MODEL", "XRAY_TTS_VOICE", "XRAY_TTS_BASE_URL", "XRAY_TTS_API_KEY"},
    [XR_STAGE_TRANSCRIPTION] = {"XRAY_TRANSCRIPTION_PROVIDER", "XRAY_TRANSCRIPTION_MODEL", NULL,
                                "XRAY_TRANSCRIPTION_BASE_URL", "XRAY_TRANSCRIPTION_API_KEY"},
    [XR_STAGE_JUDGE] = {"XRAY_JUDGE_PROVIDER", "XRAY_JUDGE_MODEL", NULL, "XRAY_JUDGE_BASE_URL", "XRAY_JUDGE_API_KEY"},
};

static const char POCKETSPHINX_VARIABLE[] = "XRAY_POCKETSPHINX_MODEL", CA_FILE_VARIABLE[] = "SSL_CERT_FILE";
static const char UNREADABLE[] = "must be a file that can be read";

enum {
    CA_LOOK = XR_MIB(1), /* bytes of a file of certificates that the first one begins in */
    CA_BLOCK = XR_KIB(16),
    CA_KEPT = 64, /* more than a certificate's mark */
};

static bool names(const char *variable, struct xr_str name) {
    return variable && xr_str_eq(xr_str_from(variable), name);
}

bool xr_providers_variable(struct xr_str name) {
    for (size_t i = 0; i < XR_STAGE_KIND_COUNT; i++) {
        const struct stage_vars *vars = &STAGES[i];
        if (names(vars->selector, name) || names(vars->model, name) || names(vars->voice, name) ||
            names(vars->base_url, name) || names(vars->key, name))
            return true;
    }
    return names(POCKETSPHINX_VARIABLE, name);
}

struct xr_providers_config {
    struct xr_arena *arena; /* every string */
    struct xr_stage_config stages[XR_STAGE_KIND_COUNT];
    const struct xr_secrets *secrets;
    const char *pocketsphinx_model, *ca_file;
    struct xr_buf warnings;
};

/* One load: where values come from and problems go. */
struct load {
    const char *(*getenv_fn)(const char *name, void *ctx);
    void *ctx;
    struct xr_buf *problems;
    size_t line; /* where the last problem begins */
    size_t problem_count;
    struct xr_providers_config *config;
    bool no_memory;
};

static const char *value_of(const struct load *load, const char *name) {
    const char *value = name ? load->getenv_fn(name, load->ctx) : NULL;
    return value && value[0] ? value : NULL;
}

/* --- one value --- */

static const char *problem_of_name(const char *value) {
    struct xr_str s = xr_str_from(value);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return "must not hold control characters";
    return xr_utf8_valid(s) ? NULL : "must be UTF-8";
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A line break in a key would end up in a request's headers. */
static const char *problem_of_key(const char *value) {
    const char *p = value;
    while ((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f)
        p++;
    if (!*p)
        return NULL;
    if (!is_space(*p))
        return "must be printable ASCII";
    while (is_space(*p))
        p++;
    return *p ? "must not hold white space" : "must not hold white space (a line break at its end?)";
}

/* What a certificate of PEM begins with: of those that OpenSSL takes, the ones that are in use. */
static bool has_certificate(struct xr_str text) {
    static const struct xr_str MARKS[] = {XR_STR("-----BEGIN CERTIFICATE-----"),
                                          XR_STR("-----BEGIN TRUSTED CERTIFICATE-----")};
    for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++)
        if (memmem(text.ptr, text.len, MARKS[i].ptr, MARKS[i].len))
            return true;
    return false;
}

static const char *problem_of_pem(int fd) {
    char block[CA_BLOCK];
    size_t len = 0;
    for (size_t seen = 0; seen < CA_LOOK;) {
        const ssize_t n = read(fd, block + len, sizeof block - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return UNREADABLE;
        if (n == 0)
            break;
        len += (size_t)n;
        seen += (size_t)n;
        if (has_certificate((struct xr_str){.ptr = block, .len = len}))
            return NULL;
        const size_t kept = len < CA_KEPT ? len : CA_KEPT; /* a mark may lie across two reads */
        memmove(block, block + len - kept, kept);
        len = kept;
    }
    return "must hold a certificate in PEM format (-----BEGIN CERTIFICATE-----)";
}

/* libcurl would only say so when the first call is made, as any other fault of the network. */
static const char *problem_of_certificates(const char *value) {
    struct stat status;
    const char *problem = problem_of_name(value);
    if (problem)
        return problem;
    int fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    problem = is_file ? problem_of_pem(fd) : UNREADABLE;
    if (fd >= 0)
        close(fd);
    return problem;
}

static const struct rule {
    size_t max;
    const char *(*problem)(const char *value);
} NAME = {XR_PROVIDER_NAME_MAX, problem_of_name}, KEY = {XR_PROVIDER_KEY_MAX, problem_of_key},
  URL = {XR_PROVIDER_URL_MAX, xr_provider_url_problem}, PATH = {XR_PROVIDER_NAME_MAX, problem_of_certificates};

/* The line from `start` on stays unless an earlier one says the same: stages share their vendor's variables. */
static bool keep_if_new(struct xr_buf *lines, size_t start) {
    if (lines->failed || !memmem(lines->data, start, lines->data + start, lines->len - start))
        return true;
    lines->len = start;
    return false;
}

static void problem_begin(struct load *load, const char *name) {
    load->line = load->problems->len;
    xr_buf_str(load->problems, xr_str_from(name));
    xr_buf_char(load->problems, ' ');
}

static void problem_end(struct load *load) {
    xr_buf_char(load->problems, '\n');
    load->problem_count += keep_if_new(load->problems, load->line);
}

static const char *copy_of(struct load *load, const char *value) {
    struct xr_str copy = xr_arena_str(load->config->arena, xr_str_from(value));
    load->no_memory = load->no_memory || !copy.ptr;
    return copy.ptr;
}

/* A copy of the variable's value; NULL when it is unset or wrong. */
static const char *read_value(struct load *load, const char *name, const struct rule *rule) {
    const char *value = value_of(load, name);
    if (!value)
        return NULL;
    const bool fits = strlen(value) <= rule->max;
    const char *problem = fits ? rule->problem(value) : NULL;
    if (fits && !problem)
        return copy_of(load, value);
    problem_begin(load, name);
    if (problem)
        xr_buf_str(load->problems, xr_str_from(problem));
    else
        xr_buf_printf(load->problems, "must be at most %zu bytes", rule->max);
    problem_end(load);
    return NULL;
}

/* --- the choice --- */

static void list_begin(struct load *load, size_t i, size_t count, const char *last) {
    if (i > 0)
        xr_buf_str(load->problems, xr_str_from(i + 1 == count ? last : ", "));
}

static const struct xr_provider *choose_by_name(struct load *load, enum xr_stage_kind stage, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < XR_PROVIDER_COUNT; i++) {
        if (XR_PROVIDERS[i].stage != stage)
            continue;
        if (strcmp(XR_PROVIDERS[i].name, name) == 0)
            return &XR_PROVIDERS[i];
        count++;
    }
    problem_begin(load, STAGES[stage].selector);
    xr_buf_str(load->problems, XR_STR("must be one of "));
    for (size_t i = 0, n = 0; i < XR_PROVIDER_COUNT; i++) {
        if (XR_PROVIDERS[i].stage != stage)
            continue;
        list_begin(load, n++, count, ", ");
        xr_buf_str(load->problems, xr_str_from(XR_PROVIDERS[i].name));
    }
    problem_end(load);
    return NULL;
}

/* The variable that makes a provider count as configured; NULL: it is not. */
static const char *configured_by(const struct load *load, const struct xr_provider *provider) {
    const struct xr_vendor *vendor = provider->vendor;
    if (!vendor)
        return NULL;
    if (value_of(load, vendor->key_env))
        return vendor->key_env;
    return value_of(load, vendor->base_url_env) ? vendor->base_url_env : NULL;
}

static void report_ambiguity(struct load *load, enum xr_stage_kind stage, size_t count) {
    problem_begin(load, STAGES[stage].selector);
    xr_buf_str(load->problems, XR_STR("must say which provider to use, because "));
    for (size_t i = 0, n = 0; i < XR_PROVIDER_COUNT; i++) {
        const char *name = XR_PROVIDERS[i].stage == stage ? configured_by(load, &XR_PROVIDERS[i]) : NULL;
        if (!name)
            continue;
        list_begin(load, n++, count, " and ");
        xr_buf_str(load->problems, xr_str_from(name));
    }
    xr_buf_str(load->problems, XR_STR(" are set"));
    problem_end(load);
}

/* A stage's own URL or key does not say whose API it is for. */
static bool report_stray_override(struct load *load, enum xr_stage_kind stage) {
    const char *stray = STAGES[stage].base_url;
    if (!value_of(load, stray))
        stray = STAGES[stage].key;
    if (!value_of(load, stray))
        return false;
    problem_begin(load, STAGES[stage].selector);
    xr_buf_printf(load->problems, "must say which provider to use, because %s is set", stray);
    problem_end(load);
    return true;
}

static const struct xr_provider *choose_by_keys(struct load *load, enum xr_stage_kind stage) {
    const struct xr_provider *only = NULL, *otherwise = NULL;
    size_t count = 0;
    for (size_t i = 0; i < XR_PROVIDER_COUNT; i++) {
        const struct xr_provider *provider = &XR_PROVIDERS[i];
        if (provider->stage != stage)
            continue;
        if (provider->is_default)
            otherwise = provider;
        if (configured_by(load, provider)) {
            only = provider;
            count++;
        }
    }
    if (count == 1)
        return only;
    if (count > 1)
        report_ambiguity(load, stage, count);
    else if (!report_stray_override(load, stage))
        return otherwise;
    return NULL;
}

static void warn_if_unused(struct load *load, const char *name, const struct xr_provider *provider) {
    if (!value_of(load, name))
        return;
    if (provider)
        xr_buf_printf(&load->config->warnings, "%s is not used by the provider %s\n", name, provider->name);
    else
        xr_buf_printf(&load->config->warnings, "%s is not used without a provider\n", name);
}

static void warn_if_exposed(struct load *load, const struct xr_stage_config *stage) {
    struct xr_buf *warnings = &load->config->warnings;
    if (!stage->key || !stage->base_url || !xr_provider_url_is_exposed(stage->base_url))
        return;
    const size_t start = warnings->len;
    struct xr_str host = xr_provider_url_host(stage->base_url);
    xr_buf_printf(warnings, "%s goes unencrypted to %.*s: %s should be an https:// URL\n", stage->key_variable,
                  XR_STR_ARG(host), stage->base_url_variable);
    (void)keep_if_new(warnings, start);
}

static void warn_if_endpoint(struct load *load, const struct xr_stage_config *stage) {
    struct xr_buf *warnings = &load->config->warnings;
    const size_t start = warnings->len;
    const char *endpoint = stage->base_url ? xr_provider_url_endpoint(stage->base_url) : NULL;
    if (!endpoint)
        return;
    xr_buf_printf(warnings, "%s ends in %s like an endpoint: the path of each call is added to a base URL\n",
                  stage->base_url_variable, endpoint);
    (void)keep_if_new(warnings, start);
}

/* A variable of the stage, else the vendor's, which is read only now that it is needed. */
static const char *own_or_shared(struct load *load, const char *own_value, const char *own, const char *shared,
                                 const struct rule *rule, const char **ret_variable) {
    const char *value = own_value ? own_value : read_value(load, shared, rule);
    if (value)
        *ret_variable = own_value ? own : shared;
    return value;
}

/* A stage's variables are read even when its provider does not use them: what is wrong is wrong before the selector
 * changes. */
static void load_stage(struct load *load, enum xr_stage_kind stage) {
    const struct stage_vars *vars = &STAGES[stage];
    struct xr_stage_config *out = &load->config->stages[stage];
    const char *selector = value_of(load, vars->selector);
    const char *model = read_value(load, vars->model, &NAME);
    const char *voice = read_value(load, vars->voice, &NAME);
    const char *key = read_value(load, vars->key, &KEY);
    const char *base_url = read_value(load, vars->base_url, &URL);
    const struct xr_provider *provider = selector ? choose_by_name(load, stage, selector) : choose_by_keys(load, stage);
    const struct xr_vendor *vendor = provider ? provider->vendor : NULL;
    *out = (struct xr_stage_config){.provider = provider};
    if (!vendor) { /* what is built in has one model and no host */
        warn_if_unused(load, vars->model, provider);
        warn_if_unused(load, vars->key, provider);
        warn_if_unused(load, vars->base_url, provider);
    }
    if (!provider)
        return;
    out->model = vendor && model ? model : provider->model;
    out->voice = voice && provider->voice ? voice : provider->voice;
    if (!vendor)
        return;
    out->key = own_or_shared(load, key, vars->key, vendor->key_env, &KEY, &out->key_variable);
    out->base_url = own_or_shared(load, base_url, vars->base_url, vendor->base_url_env, &URL, &out->base_url_variable);
    warn_if_exposed(load, out);
    warn_if_endpoint(load, out);
}

static bool calls_others(const struct xr_providers_config *config) {
    for (size_t i = 0; i < XR_STAGE_KIND_COUNT; i++)
        if (config->stages[i].provider && config->stages[i].provider->vendor)
            return true;
    return false;
}

static void load_values(struct load *load) {
    struct xr_providers_config *config = load->config;
    for (int stage = 0; stage < XR_STAGE_KIND_COUNT; stage++)
        load_stage(load, (enum xr_stage_kind)stage);
    if (calls_others(config))
        config->ca_file = read_value(load, CA_FILE_VARIABLE, &PATH);
    config->pocketsphinx_model = read_value(load, POCKETSPHINX_VARIABLE, &NAME);
    if (!config->pocketsphinx_model)
        config->pocketsphinx_model = POCKETSPHINX_MODEL;
}

static enum xr_code load_all(struct load *load, struct xr_err *err) {
    struct xr_providers_config *config = load->config;
    const char *keys[XR_STAGE_KIND_COUNT];
    config->warnings = xr_buf_make(XR_PROVIDERS_WARNINGS_MAX);
    config->arena = xr_arena_new(XR_PROVIDERS_CONFIG_MAX);
    if (!config->arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    load_values(load);
    if (load->no_memory || load->problems->failed || config->warnings.failed)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (load->problem_count > 0)
        return xr_fail(err, XR_INVALID, NULL, "the providers' configuration has %zu problems", load->problem_count);
    for (size_t i = 0; i < XR_STAGE_KIND_COUNT; i++)
        keys[i] = config->stages[i].key;
    return xr_secrets_new(config->arena, keys, &config->secrets, err);
}

enum xr_code xr_providers_config_load(const char *(*getenv_fn)(const char *name, void *ctx), void *ctx,
                                      struct xr_buf *problems, struct xr_providers_config **ret_config,
                                      struct xr_err *err) {
    struct xr_providers_config *config = calloc(1, sizeof *config);
    if (!config)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    struct load load = {.getenv_fn = getenv_fn, .ctx = ctx, .problems = problems, .config = config};
    enum xr_code code = load_all(&load, err);
    if (code == XR_OK)
        *ret_config = config;
    else
        xr_providers_config_free(config);
    return code;
}

void xr_providers_config_free(struct xr_providers_config *config) {
    if (!config)
        return;
    xr_arena_free(config->arena);
    xr_buf_clear(&config->warnings);
    free(config);
}

/* --- what was chosen --- */

struct xr_provider_choice xr_providers_choice(const struct xr_providers_config *config, enum xr_stage_kind stage) {
    const struct xr_stage_config *s = &config->stages[stage];
    if (!s->provider)
        return (struct xr_provider_choice){0};
    return (struct xr_provider_choice){.provider = s->provider->name, .model = s->model, .voice = s->voice};
}

const struct xr_stage_config *xr_providers_stage(const struct xr_providers_config *config, enum xr_stage_kind stage) {
    return &config->stages[stage];
}

const struct xr_secrets *xr_providers_secrets(const struct xr_providers_config *config) {
    return config->secrets;
}

struct xr_str xr_providers_warnings(const struct xr_providers_config *config) {
    return xr_buf_view(&config->warnings);
}

bool xr_providers_have_key(const struct xr_providers_config *config) {
    for (size_t i = 0; i < XR_STAGE_KIND_COUNT; i++)
        if (config->stages[i].key)
            return true;
    return false;
}

const char *xr_providers_ca_file(const struct xr_providers_config *config) {
    return config->ca_file;
}

const char *xr_providers_pocketsphinx_model(const struct xr_providers_config *config) {
    return config->pocketsphinx_model;
}

enum xr_code xr_providers_stage_ready(const struct xr_providers_config *config, enum xr_stage_kind stage,
                                      struct xr_err *err) {
    const struct xr_stage_config *s = &config->stages[stage];
    const char *selector = STAGES[stage].selector;
    if (!s->provider)
        return xr_fail(err, XR_NO_CREDENTIAL, selector, "no provider is configured: set a provider's key or %s",
                       selector);
    const struct xr_vendor *vendor = s->provider->vendor;
    if (vendor && !s->key && !s->base_url)
        return xr_fail(err, XR_NO_CREDENTIAL, vendor->key_env, "%s needs %s", s->provider->name, vendor->key_env);
    return XR_OK;
}
