// SPDX-License-Identifier: Apache-2.0
#include "providers/curl_library.h"
#include <dlfcn.h>

static const char LIBRARY[] = "libcurl.so.4";

enum xr_code xr_curl_open(struct xr_curl *ret_curl, struct xr_err *err) {
#define SYMBOL(name) XR_DYNAMIC_SYMBOL(struct xr_curl, name)
    static const struct xr_dynamic SYMBOLS[] = {XR_CURL_FUNCTIONS(SYMBOL)};
#undef SYMBOL
    struct xr_curl curl;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return xr_fail(err, XR_UNAVAILABLE, NULL, "%s is not installed, and a cloud provider needs it", LIBRARY);
    enum xr_code code = xr_dynamic_resolve(library, LIBRARY, SYMBOLS, sizeof SYMBOLS / sizeof *SYMBOLS, &curl, err);
    if (code != XR_OK)
        return code;
    if (curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return xr_fail(err, XR_NO_MEMORY, NULL, "%s could not be started", LIBRARY);
    *ret_curl = curl;
    return XR_OK;
}

void xr_curl_close(const struct xr_curl *curl) {
    curl->curl_global_cleanup();
}
