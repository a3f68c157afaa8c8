// SPDX-License-Identifier: Apache-2.0
#include "providers/transfer.h"
#include "base/limits.h"
#include "providers/redact.h"
#include "providers/retry.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { CONNECT_TIMEOUT_MS = 10000, ERROR_BODY_MAX = 64 * 1024, STATUS_OK = 200, STATUS_OK_END = 300 };
enum { RETRY_AFTER_DIGITS = 18 }; /* so many fit a number of 64 bits for sure */

struct xr_transfer {
    const struct xr_curl *curl;
    CURL *easy;
    struct curl_slist *headers;
    curl_mime *mime;
    struct xr_exchange *exchange;
    bool too_large; /* the response alone */
    bool no_room; /* all responses together */
    bool headers_ended; /* with their empty line */
    char message[CURL_ERROR_SIZE];
};

/* --- the response --- */

static long status_of(const struct xr_transfer *transfer) {
    long status = 0;
    transfer->curl->curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_success(long status) {
    return status >= STATUS_OK && status < STATUS_OK_END;
}

/* Counts what the response will be longer by, if there is room for it. */
static bool count_bytes(struct xr_exchange *exchange, size_t n) {
    struct xr_answers *answers = exchange->answers;
    _Atomic size_t *of_group = exchange->group ? &exchange->group->answer_bytes : NULL;
    size_t len = exchange->response.len + n, beyond = len > answers->small ? len - answers->small : 0;
    size_t more = beyond - exchange->counted;
    if (more > answers->max - atomic_load(&answers->bytes) ||
        (of_group && more > answers->group_max - atomic_load(of_group)))
        return false;
    atomic_fetch_add(&answers->bytes, more);
    if (of_group)
        atomic_fetch_add(of_group, more);
    exchange->counted = beyond;
    return true;
}

/* Returning less than it was given ends the transfer. */
static size_t take_body(char *bytes, size_t size, size_t count, void *arg) {
    struct xr_transfer *transfer = arg;
    struct xr_buf *body = &transfer->exchange->response;
    size_t n = size * count, max = is_success(status_of(transfer)) ? transfer->exchange->response_max : ERROR_BODY_MAX;
    if (n > max - body->len) {
        transfer->too_large = true;
        return 0;
    }
    if (!count_bytes(transfer->exchange, n)) {
        transfer->no_room = true;
        return 0;
    }
    xr_buf_append(body, bytes, n);
    return body->failed ? 0 : n;
}

/* libcurl takes a connection that is closed within the headers for the end of an empty body. */
static size_t note_header(const char *line, size_t size, size_t count, void *arg) {
    struct xr_transfer *transfer = arg;
    size_t n = size * count;
    if (n > 0 && (line[0] == '\r' || line[0] == '\n'))
        transfer->headers_ended = true;
    else if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        transfer->headers_ended = false; /* another response follows an interim one */
    return n;
}

/* --- the request --- */

static bool add_header(struct xr_transfer *transfer, const char *header) {
    struct curl_slist *longer = transfer->curl->curl_slist_append(transfer->headers, header);
    if (longer)
        transfer->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct xr_transfer *transfer) {
    const struct xr_exchange *exchange = transfer->exchange;
    /* A body is sent at once: waiting for "100 Continue" costs a second at hosts that do not know it. */
    bool ok = add_header(transfer, "Expect:") && add_header(transfer, "Accept: */*");
    if (exchange->part_count == 0)
        ok = ok && add_header(transfer, "Content-Type: application/json");
    for (size_t i = 0; i < XR_HEADERS_MAX && exchange->headers[i]; i++)
        ok = ok && add_header(transfer, exchange->headers[i]);
    return ok && transfer->curl->curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

/* libcurl reads a part from where it lies: a copy would double the memory of every upload. */
struct part_source {
    struct xr_str data;
    size_t at;
};

static size_t read_part(char *out, size_t size, size_t count, void *arg) {
    struct part_source *source = arg;
    size_t left = source->data.len - source->at, n = size * count < left ? size * count : left;
    if (n > 0)
        memcpy(out, source->data.ptr + source->at, n);
    source->at += n;
    return n;
}

static int seek_part(void *arg, curl_off_t offset, int origin) {
    struct part_source *source = arg;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > source->data.len)
        return CURL_SEEKFUNC_FAIL;
    source->at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool add_file(const struct xr_curl *curl, curl_mimepart *part, const struct xr_part *from) {
    struct part_source *source = calloc(1, sizeof *source);
    if (!source)
        return false;
    source->data = from->data;
    if (curl->curl_mime_data_cb(part, (curl_off_t)from->data.len, read_part, seek_part, free, source) != CURLE_OK) {
        free(source);
        return false;
    }
    return curl->curl_mime_filename(part, from->file_name) == CURLE_OK &&
           curl->curl_mime_type(part, from->content_type) == CURLE_OK;
}

static bool add_part(const struct xr_curl *curl, curl_mime *mime, const struct xr_part *from) {
    curl_mimepart *part = curl->curl_mime_addpart(mime);
    if (!part || curl->curl_mime_name(part, from->name) != CURLE_OK)
        return false;
    if (from->file_name)
        return add_file(curl, part, from);
    return curl->curl_mime_data(part, from->data.ptr, from->data.len) == CURLE_OK;
}

static bool add_body(struct xr_transfer *transfer) {
    const struct xr_exchange *exchange = transfer->exchange;
    CURL *easy = transfer->easy;
    if (exchange->part_count == 0)
        return transfer->curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.len) ==
                   CURLE_OK &&
               transfer->curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body.ptr) == CURLE_OK;
    transfer->mime = transfer->curl->curl_mime_init(easy);
    for (size_t i = 0; transfer->mime && i < exchange->part_count; i++)
        if (!add_part(transfer->curl, transfer->mime, &exchange->parts[i]))
            return false;
    return transfer->mime && transfer->curl->curl_easy_setopt(easy, CURLOPT_MIMEPOST, transfer->mime) == CURLE_OK;
}

/* A libcurl that knows no folder of authorities, or no proxy, has none to be told of. */
static bool set_if_known(struct xr_transfer *transfer, CURLoption option, const char *value) {
    const CURLcode code = transfer->curl->curl_easy_setopt(transfer->easy, option, value);
    return code == CURLE_OK || code == CURLE_NOT_BUILT_IN || code == CURLE_UNKNOWN_OPTION;
}

/* A file of authorities replaces the system's: those of its folder, which libcurl would trust besides, too. An https://
 * proxy is told of them apart. */
static bool set_authorities(struct xr_transfer *transfer, const char *ca_file) {
    if (!ca_file)
        return true;
    return set_if_known(transfer, CURLOPT_CAPATH, NULL) && set_if_known(transfer, CURLOPT_PROXY_CAPATH, NULL) &&
           set_if_known(transfer, CURLOPT_PROXY_CAINFO, ca_file) &&
           transfer->curl->curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, ca_file) == CURLE_OK;
}

static bool set_options(struct xr_transfer *transfer, const char *ca_file) {
    CURL *easy = transfer->easy;
#define SET(option, value) (transfer->curl->curl_easy_setopt(easy, CURLOPT_##option, (value)) == CURLE_OK)
    bool ok = SET(URL, transfer->exchange->url) && SET(PROTOCOLS_STR, "http,https") && SET(FOLLOWLOCATION, 0L) &&
              SET(NOSIGNAL, 1L) && SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) && SET(USERAGENT, "xrayd") &&
              SET(ACCEPT_ENCODING, "") && SET(CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) &&
              SET(TIMEOUT_MS, (long)transfer->exchange->timeout_ms) && SET(WRITEFUNCTION, take_body) &&
              SET(WRITEDATA, transfer) && SET(HEADERFUNCTION, note_header) && SET(HEADERDATA, transfer) &&
              SET(PRIVATE, transfer) && SET(ERRORBUFFER, transfer->message);
    /* A call that is given up must not wait for the system's resolver, and all others with it. */
    ok = ok && SET(QUICK_EXIT, 1L);
    /* An answer that is announced to be too large is not waited for. */
    ok = ok && SET(MAXFILESIZE_LARGE, (curl_off_t)transfer->exchange->response_max);
    /* Where one kept connection broke off or fell silent, the others may be dead too. */
    if (ok && transfer->exchange->attempts > 1 && transfer->exchange->err.status == 0)
        ok = SET(FRESH_CONNECT, 1L);
    /* Calls that start together share one connection, where HTTP/2 is spoken, instead of making one each. */
    if (ok && strncasecmp(transfer->exchange->url, "https:", 6) == 0)
        ok = SET(PIPEWAIT, 1L);
#undef SET
    return ok && set_authorities(transfer, ca_file);
}

enum xr_code xr_transfer_new(const struct xr_curl *curl, struct xr_exchange *exchange, const char *ca_file,
                             struct xr_transfer **ret_transfer, struct xr_err *err) {
    struct xr_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    transfer->curl = curl;
    transfer->exchange = exchange;
    transfer->easy = curl->curl_easy_init();
    xr_buf_clear(&exchange->response);
    exchange->response = xr_buf_make(exchange->response_max + XR_JSON_PADDING);
    exchange->content_type[0] = '\0';
    if (!transfer->easy || !set_options(transfer, ca_file) || !add_headers(transfer) || !add_body(transfer)) {
        xr_transfer_free(transfer);
        return xr_fail(err, XR_NO_MEMORY, NULL, "a request could not be made");
    }
    *ret_transfer = transfer;
    return XR_OK;
}

void xr_transfer_free(struct xr_transfer *transfer) {
    if (!transfer)
        return;
    transfer->curl->curl_easy_cleanup(transfer->easy);
    transfer->curl->curl_mime_free(transfer->mime);
    transfer->curl->curl_slist_free_all(transfer->headers);
    free(transfer);
}

CURL *xr_transfer_handle(const struct xr_transfer *transfer) {
    return transfer->easy;
}

struct xr_exchange *xr_transfer_exchange(const struct xr_curl *curl, CURL *handle) {
    struct xr_transfer *transfer = NULL;
    curl->curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&transfer);
    return transfer->exchange;
}

/* --- what became of it --- */

/* What another attempt would not change. All else that is not a response is the network's, and may pass. */
static bool is_lasting(CURLcode result) {
    static const CURLcode LASTING[] = {CURLE_URL_MALFORMAT, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
                                       CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR};
    for (size_t i = 0; i < sizeof LASTING / sizeof *LASTING; i++)
        if (result == LASTING[i])
            return true;
    return false;
}

static struct xr_transfer_result fail(struct xr_transfer *transfer, enum xr_code code, bool transient) {
    return (struct xr_transfer_result){.code = transfer->exchange->err.code = code, .transient = transient};
}

static struct xr_transfer_result no_response(struct xr_transfer *transfer, CURLcode result,
                                             const struct xr_providers_config *secrets) {
    struct xr_err *err = &transfer->exchange->err;
    struct xr_buf safe = xr_buf_make(XR_PROVIDER_ERROR_MAX + 1);
    const char *why = result == CURLE_OK     ? "the connection was closed within the headers"
                      : transfer->message[0] ? transfer->message
                                             : transfer->curl->curl_easy_strerror(result);
    xr_redact_text(secrets, xr_str_from(why), &safe);
    if (result == CURLE_OUT_OF_MEMORY || transfer->exchange->response.failed)
        xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    else if (result == CURLE_OPERATION_TIMEDOUT && status_of(transfer) == 0)
        xr_fail(err, XR_UNAVAILABLE, NULL, "gave no answer in time: %.*s", XR_STR_ARG(xr_buf_view(&safe)));
    else
        xr_fail(err, XR_UNAVAILABLE, NULL, "%.*s", XR_STR_ARG(xr_buf_view(&safe)));
    xr_buf_clear(&safe);
    return fail(transfer, err->code, err->code == XR_UNAVAILABLE && !is_lasting(result));
}

/* RFC 9110, 10.2.3. libcurl knows no number of more digits than it can hold; 0: nothing is said. */
static int64_t retry_after_s(const struct xr_transfer *transfer) {
    const struct xr_curl *curl = transfer->curl;
    curl_off_t seconds = 0;
    struct curl_header *header = NULL;
    curl->curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0 || curl->curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return seconds;
    size_t digits = strspn(header->value, "0123456789");
    return digits > RETRY_AFTER_DIGITS && header->value[digits] == '\0' ? INT64_MAX : 0;
}

static struct xr_transfer_result refused(struct xr_transfer *transfer, long status,
                                         const struct xr_providers_config *secrets) {
    struct xr_exchange *exchange = transfer->exchange;
    struct xr_buf safe = xr_buf_make(XR_PROVIDER_ERROR_MAX + 1);
    xr_redact_text(secrets, xr_buf_view(&exchange->response), &safe);
    xr_fail(&exchange->err, XR_UNAVAILABLE, NULL, "answered %ld%s%.*s", status, safe.len > 0 ? ": " : "",
            XR_STR_ARG(xr_buf_view(&safe)));
    xr_buf_clear(&safe);
    exchange->err.status = (int)status;
    struct xr_transfer_result out = fail(transfer, XR_UNAVAILABLE, xr_retry_status((int)status));
    out.retry_after_s = retry_after_s(transfer);
    return out;
}

/* An answer came, and there is nothing that could be made of it. */
static struct xr_transfer_result unusable(struct xr_transfer *transfer, CURLcode result) {
    struct xr_exchange *exchange = transfer->exchange;
    if (result == CURLE_BAD_CONTENT_ENCODING)
        xr_fail(&exchange->err, XR_REFUSED, NULL, "the answer's content encoding cannot be read");
    else
        xr_fail(&exchange->err, XR_REFUSED, NULL, "the answer is larger than %zu MiB",
                exchange->response_max / XR_MIB(1));
    return fail(transfer, XR_REFUSED, false);
}

static struct xr_transfer_result succeeded(struct xr_transfer *transfer) {
    struct xr_exchange *exchange = transfer->exchange;
    char *type = NULL, *padding = xr_buf_reserve(&exchange->response, XR_JSON_PADDING);
    if (!padding) {
        xr_fail(&exchange->err, XR_NO_MEMORY, NULL, "out of memory");
        return fail(transfer, XR_NO_MEMORY, false);
    }
    memset(padding, 0, XR_JSON_PADDING);
    transfer->curl->curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    if (type && strlen(type) < sizeof exchange->content_type)
        memcpy(exchange->content_type, type, strlen(type) + 1);
    return (struct xr_transfer_result){.code = XR_OK};
}

struct xr_transfer_result xr_transfer_finish(struct xr_transfer *transfer, CURLcode result,
                                             const struct xr_providers_config *secrets) {
    struct xr_exchange *exchange = transfer->exchange;
    long status = status_of(transfer);
    exchange->err = (struct xr_err){0};
    if (result == CURLE_OK && is_success(status) && transfer->headers_ended)
        return succeeded(transfer);
    /* An error's body is only told; that it is cut short, or does not come to its end, does not matter. */
    if (status >= STATUS_OK_END && !exchange->response.failed)
        return refused(transfer, status, secrets);
    if (transfer->no_room) {
        xr_fail(&exchange->err, XR_UNAVAILABLE, NULL, "its answers take too much memory at a time");
        struct xr_transfer_result out = fail(transfer, XR_UNAVAILABLE, true);
        out.crowded = true;
        return out;
    }
    if (transfer->too_large || result == CURLE_FILESIZE_EXCEEDED || result == CURLE_BAD_CONTENT_ENCODING)
        return unusable(transfer, result);
    return no_response(transfer, result, secrets);
}
