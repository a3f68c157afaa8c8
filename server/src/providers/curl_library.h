// SPDX-License-Identifier: Apache-2.0
/* providers/curl_library.h - libcurl, opened when a stage needs another host: linked, it and the forty libraries below
 * it cost every start 5 ms and every idle server 2 MB. For client.c and transfer.c. */
#pragma once
#include "providers/dynamic.h"
#include <curl/curl.h>
/* They check the types of arguments, but of calls by these very names only. */
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

#define XR_CURL_FUNCTIONS(X)                                                                                           \
    X(curl_easy_cleanup)                                                                                               \
    X(curl_easy_getinfo)                                                                                               \
    X(curl_easy_header)                                                                                                \
    X(curl_easy_init)                                                                                                  \
    X(curl_easy_setopt)                                                                                                \
    X(curl_easy_strerror)                                                                                              \
    X(curl_global_cleanup)                                                                                             \
    X(curl_global_init)                                                                                                \
    X(curl_mime_addpart)                                                                                               \
    X(curl_mime_data)                                                                                                  \
    X(curl_mime_data_cb)                                                                                               \
    X(curl_mime_filename)                                                                                              \
    X(curl_mime_free)                                                                                                  \
    X(curl_mime_init)                                                                                                  \
    X(curl_mime_name)                                                                                                  \
    X(curl_mime_type)                                                                                                  \
    X(curl_multi_add_handle)                                                                                           \
    X(curl_multi_cleanup)                                                                                              \
    X(curl_multi_info_read)                                                                                            \
    X(curl_multi_init)                                                                                                 \
    X(curl_multi_perform)                                                                                              \
    X(curl_multi_poll)                                                                                                 \
    X(curl_multi_remove_handle)                                                                                        \
    X(curl_multi_setopt)                                                                                               \
    X(curl_multi_wakeup)                                                                                               \
    X(curl_slist_append)                                                                                               \
    X(curl_slist_free_all)

/* The first that has all we ask of it: CURLOPT_QUICK_EXIT. */
#define XR_CURL_VERSION_MIN CURL_VERSION_BITS(7, 87, 0)

struct xr_curl {
    XR_CURL_FUNCTIONS(XR_DYNAMIC_MEMBER)
};
/* Opens the library and starts it up (curl_global_init, which is counted). XR_UNAVAILABLE when it is not installed, is
 * too old or lacks something. Any thread. */
XR_MUST_USE enum xr_code xr_curl_open(struct xr_curl *ret_curl, struct xr_err *err);
/* The library stays open until the process ends, as OpenSSL below it does not like being closed. */
void xr_curl_close(const struct xr_curl *curl);
/* Whether a library that says this of itself (curl_version_info) can be used; XR_UNAVAILABLE. Pure. */
XR_MUST_USE enum xr_code xr_curl_check(const curl_version_info_data *found, struct xr_err *err);
