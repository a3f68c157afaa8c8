// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

enum xr_code xr_http_start(const char *host, uint16_t port, unsigned threads, const struct xr_http_deps *deps,
                           struct xr_http **ret_http, struct xr_err *err) {
    const struct xr_http_options options = {
        .host = host, .port = port, .threads = threads, .routes = XR_ROUTES, .times = XR_HTTP_TIMES};
    return xr_http_start_with(&options, deps, ret_http, err);
}
