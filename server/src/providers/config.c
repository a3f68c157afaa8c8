// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/text.h"
#include "providers/provider.h"
#include <stdlib.h>

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

static const char POCKETSPHINX_VARIABLE[] = "XRAY_POCKETSPHINX_MODEL";

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
    const char *pocketsphinx_model;
};

/* One load: where values come from and problems go. */
struct load {
    const char *(*getenv_fn)(const char *name, void *ctx);
    void *ctx;
    struct xr_buf *problems;
    size_t problem_count;
    struct xr_providers_config *config;
    bool no_memory;
};

static const char *value_of(const struct load *load, const char *name) {
    const char *value = name ? load->getenv_fn(name, load->ctx) : NULL;
    return value && value[0] ? value : NULL;
}

/* --- one value --- */

static bool has_control_or_space(const char *value) {
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return true;
    return false;
}

static const char *problem_of_name(const char *value) {
    struct xr_str s = xr_str_from(value);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return "must not hold control characters";
    return xr_utf8_valid(s) ? NULL : "must be UTF-8";
}

/* A line break in a key would end up in a request's headers. */
static const char *problem_of_key(const char *value) {
    return has_control_or_space(value) ? "must not hold white space or control characters" : NULL;
}

static const char *problem_of_url(const char *value) {
    static const char *const SCHEMES[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++) {
        size_t n = strlen(SCHEMES[i]);
        if (strncmp(value, SCHEMES[i], n) == 0 && value[n] && value[n] != '/' && !has_control_or_space(value))
            return NULL;
    }
    return "must be an http:// or https:// URL";
}

static const struct rule {
    size_t max;
    const char *(*problem)(const char *value);
} NAME = {XR_PROVIDER_NAME_MAX, problem_of_name}, KEY = {XR_PROVIDER_KEY_MAX, problem_of_key},
  URL = {XR_PROVIDER_URL_MAX, problem_of_url};

static void problem_begin(struct load *load, const char *name) {
    load->problem_count++;
    xr_buf_str(load->problems, xr_str_from(name));
    xr_buf_char(load->problems, ' ');
}

/* A copy of the variable's value; NULL when it is unset or wrong. */
static const char *read_value(struct load *load, const char *name, const struct rule *rule) {
    const char *value = value_of(load, name);
    if (!value)
        return NULL;
    const char *problem = rule->problem(value);
    if (!problem && strlen(value) <= rule->max) {
        struct xr_str copy = xr_arena_str(load->config->arena, xr_str_from(value));
        load->no_memory = load->no_memory || !copy.ptr;
        return copy.ptr;
    }
    problem_begin(load, name);
    if (problem)
        xr_buf_printf(load->problems, "%s\n", problem);
    else
        xr_buf_printf(load->problems, "must be at most %zu bytes\n", rule->max);
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
    xr_buf_char(load->problems, '\n');
    return NULL;
}

/* The variable that makes a provider count as configured; NULL: it is not. */
static const char *configured_by(const struct load *load, const struct xr_provider *provider) {
    if (value_of(load, provider->key_env))
        return provider->key_env;
    return value_of(load, provider->base_url_env) ? provider->base_url_env : NULL;
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
    xr_buf_str(load->problems, XR_STR(" are set\n"));
}

/* A stage's own URL or key does not say whose API it is for. */
static bool report_stray_override(struct load *load, enum xr_stage_kind stage) {
    const char *stray = STAGES[stage].base_url;
    if (!value_of(load, stray))
        stray = STAGES[stage].key;
    if (!value_of(load, stray))
        return false;
    problem_begin(load, STAGES[stage].selector);
    xr_buf_printf(load->problems, "must say which provider to use, because %s is set\n", stray);
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

/* Every variable is read even when the provider does not use it: what is wrong is wrong before the selector changes. */
static void load_stage(struct load *load, enum xr_stage_kind stage) {
    const struct stage_vars *vars = &STAGES[stage];
    struct xr_stage_config *out = &load->config->stages[stage];
    const char *selector = value_of(load, vars->selector);
    const char *model = read_value(load, vars->model, &NAME);
    const char *voice = read_value(load, vars->voice, &NAME);
    const char *key = read_value(load, vars->key, &KEY);
    const char *base_url = read_value(load, vars->base_url, &URL);
    out->provider = selector ? choose_by_name(load, stage, selector) : choose_by_keys(load, stage);
    if (!out->provider)
        return;
    out->voice = voice && out->provider->voice ? voice : out->provider->voice;
    out->model = out->provider->model;
    if (!out->provider->key_env)
        return; /* what is built in has one model and no host */
    if (model)
        out->model = model;
    out->key = key ? key : read_value(load, out->provider->key_env, &KEY);
    out->base_url = base_url ? base_url : read_value(load, out->provider->base_url_env, &URL);
}

static enum xr_code load_all(struct load *load, struct xr_err *err) {
    struct xr_providers_config *config = load->config;
    config->arena = xr_arena_new(XR_PROVIDERS_CONFIG_MAX);
    if (!config->arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (int stage = 0; stage < XR_STAGE_KIND_COUNT; stage++)
        load_stage(load, (enum xr_stage_kind)stage);
    config->pocketsphinx_model = read_value(load, POCKETSPHINX_VARIABLE, &NAME);
    if (!config->pocketsphinx_model)
        config->pocketsphinx_model = POCKETSPHINX_MODEL;
    if (load->no_memory || load->problems->failed)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (load->problem_count > 0)
        return xr_fail(err, XR_INVALID, NULL, "the providers' configuration has %zu problems", load->problem_count);
    return XR_OK;
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
    free(config);
}

/* --- what was chosen --- */

struct xr_provider_choice xr_providers_choice(const struct xr_providers_config *config, enum xr_stage_kind stage) {
    const struct xr_stage_config *s = &config->stages[stage];
    if (!s->provider)
        return (struct xr_provider_choice){0};
    return (struct xr_provider_choice){
        .provider = s->provider->name, .model = s->model, .voice = s->voice, .available = s->provider->ops != NULL};
}

const struct xr_stage_config *xr_providers_stage(const struct xr_providers_config *config, enum xr_stage_kind stage) {
    return &config->stages[stage];
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
    if (s->provider->key_env && !s->key && !s->base_url)
        return xr_fail(err, XR_NO_CREDENTIAL, s->provider->key_env, "%s needs %s", s->provider->name,
                       s->provider->key_env);
    if (!s->provider->ops)
        return xr_fail(err, XR_REFUSED, NULL, "the provider %s is not built into this version: set %s to another one",
                       s->provider->name, selector);
    return XR_OK;
}
