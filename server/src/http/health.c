// SPDX-License-Identifier: Apache-2.0
#include "http/handlers.h"
#include "http/request.h"

void xr_get_healthz(struct xr_request *req) {
    static const char OK_BODY[] = "{\"ok\":true}";
    xr_respond_shared(req, 200, "application/json", XR_STR(OK_BODY), NULL, NULL);
}

static enum xr_code check_database(const struct xr_http_deps *deps, struct xr_err *err) {
    return xr_store_health(deps->store, err);
}

static enum xr_code check_queue(const struct xr_http_deps *deps, struct xr_err *err) {
    return deps->queue_health(deps->ctx, err);
}

static enum xr_code check_disk(const struct xr_http_deps *deps, struct xr_err *err) {
    return xr_files_space(deps->files, 0, err);
}

static const struct check {
    const char *key;
    enum xr_code (*run)(const struct xr_http_deps *deps, struct xr_err *err);
} CHECKS[] = {{"database", check_database}, {"queue", check_queue}, {"disk", check_disk}};
enum { CHECK_COUNT = sizeof CHECKS / sizeof *CHECKS };

/* Each check is "ok" or what is wrong. */
static void respond_unready(struct xr_request *req, const enum xr_code codes[CHECK_COUNT],
                            const struct xr_err errs[CHECK_COUNT]) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_bool(&j, "ok", false);
    xr_json_key(&j, XR_STR("checks"));
    xr_json_object(&j);
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        const char *message = errs[i].message[0] ? errs[i].message : xr_code_name(codes[i]);
        xr_json_kv_strz(&j, CHECKS[i].key, codes[i] == XR_OK ? "ok" : message);
    }
    xr_json_object_end(&j);
    xr_json_object_end(&j);
    xr_respond_json(req, 503);
}

void xr_get_readyz(struct xr_request *req) {
    enum xr_code codes[CHECK_COUNT];
    struct xr_err errs[CHECK_COUNT] = {0};
    bool ready = true;
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        codes[i] = CHECKS[i].run(xr_request_deps(req), &errs[i]);
        ready = ready && codes[i] == XR_OK;
    }
    if (ready)
        xr_get_healthz(req);
    else
        respond_unready(req, codes, errs);
}
