// SPDX-License-Identifier: Apache-2.0
#include "providers/curl_library.h"
#include <dlfcn.h>

#define OF_PACKAGE "(Debian's package: libcurl4)"
static const char LIBRARY[] = "libcurl.so.4", INSTALLED[] = "libcurl.so.4 " OF_PACKAGE;

enum xr_code xr_curl_check(const curl_version_info_data *found, struct xr_err *err) {
    const unsigned least = XR_CURL_VERSION_MIN;
    if (found->version_num < least)
        return xr_fail(err, XR_UNAVAILABLE, NULL,
                       "the installed libcurl is %s, and a cloud provider needs %u.%u.%u " OF_PACKAGE, found->version,
                       least >> 16, least >> 8 & 0xff, least & 0xff);
    if (!(found->features & CURL_VERSION_SSL))
        return xr_fail(err, XR_UNAVAILABLE, NULL, "the installed libcurl %s was built without TLS", found->version);
    if (!(found->features & CURL_VERSION_HTTP2))
        return xr_fail(err, XR_UNAVAILABLE, NULL, "the installed libcurl %s was built without HTTP/2", found->version);
    return XR_OK;
}

/* Before all other functions are looked for: an old library lacks some, which would say less than its version. */
static enum xr_code check_version(void *library, struct xr_err *err) {
    struct {
        XR_DYNAMIC_MEMBER(curl_version_info)
    } own;
    static const struct xr_dynamic SYMBOL = {.name = "curl_version_info"};
    enum xr_code code = xr_dynamic_resolve(library, INSTALLED, &SYMBOL, 1, &own, err);
    return code == XR_OK ? xr_curl_check(own.curl_version_info(CURLVERSION_FIRST), err) : code;
}

enum xr_code xr_curl_open(struct xr_curl *ret_curl, struct xr_err *err) {
#define SYMBOL(name) XR_DYNAMIC_SYMBOL(struct xr_curl, name)
    static const struct xr_dynamic SYMBOLS[] = {XR_CURL_FUNCTIONS(SYMBOL)};
#undef SYMBOL
    struct xr_curl curl;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return xr_fail(err, XR_UNAVAILABLE, NULL, "%s is not installed, and a cloud provider needs it " OF_PACKAGE,
                       LIBRARY);
    enum xr_code code = check_version(library, err);
    if (code == XR_OK)
        code = xr_dynamic_resolve(library, INSTALLED, SYMBOLS, sizeof SYMBOLS / sizeof *SYMBOLS, &curl, err);
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
