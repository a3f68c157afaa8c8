// SPDX-License-Identifier: Apache-2.0
/* providers/redact: of whatever text, at most XR_PROVIDER_ERROR_MAX bytes of one line of UTF-8 are shown, without the
 * key; in place, exactly the keys are overwritten.
 *
 * The input's first line is the key. One that is longer or could not be configured is left out. */
#include "base/limits.h"
#include "base/text.h"
#include "providers/redact.h"
#include <stdlib.h>

enum { KEY_MAX = 64, SLOW_MAX = 64 * 1024 /* of text, for the plain search that the fast one is held against */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

static const char *key_variable(const char *name, void *ctx) {
    return strcmp(name, "OPENAI_API_KEY") == 0 ? ctx : NULL;
}

static struct xr_providers_config *config_of(char *key) {
    XR_AUTO(xr_buf_clear) struct xr_buf problems = xr_buf_make(XR_KIB(4));
    struct xr_providers_config *config = NULL;
    if (xr_providers_config_load(key_variable, key, &problems, &config, NULL) != XR_OK)
        key[0] = '\0';
    if (!config)
        require(xr_providers_config_load(key_variable, key, &problems, &config, NULL) == XR_OK);
    return config;
}

/* The mark may hold, or make together with what is around it, a key of such characters. */
static bool is_made_of_marks(const char *key) {
    return strpbrk(key, "[]") || strstr("redacted", key);
}

static void check_text(const struct xr_providers_config *config, const char *key, struct xr_str text) {
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(2 * XR_PROVIDER_ERROR_MAX);
    xr_redact_text(config, text, &out);
    const struct xr_str shown = xr_buf_view(&out);
    require(!out.failed && shown.len <= XR_PROVIDER_ERROR_MAX && xr_utf8_valid(shown));
    require(xr_text_trim(shown).len == shown.len);
    for (size_t i = 0; i < shown.len; i++) {
        require((unsigned char)shown.ptr[i] >= 0x20 && shown.ptr[i] != 0x7f);
        require(shown.ptr[i] != ' ' || shown.ptr[i + 1] != ' ');
    }
    require(!key[0] || is_made_of_marks(key) || !memmem(shown.ptr, shown.len, key, strlen(key)));
}

/* Whether answers are to lose it. */
static bool is_sought(const char *key) {
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const size_t n = strlen(key);
    return n >= 16 || (n >= 8 && strspn(key, LETTERS) < n) || (n >= 7 && strncmp(key, "sk-", 3) == 0) ||
           (n >= 8 && strncmp(key, "AIza", 4) == 0);
}

/* Overwrites the key as it is, by looking everywhere. */
static void overwrite(const char *key, const char *text, char *out, size_t len) {
    const size_t n = strlen(key);
    for (size_t at = 0; is_sought(key) && at + n <= len; at++)
        if (memcmp(text + at, key, n) == 0)
            memset(out + at, '*', n);
}

static void check_keys(const struct xr_providers_config *config, const char *key, struct xr_str text) {
    char *got = malloc(text.len + 1), *want = malloc(text.len + 1);
    require(got && want);
    memcpy(got, text.ptr, text.len);
    memcpy(want, text.ptr, text.len);
    xr_redact_keys(config, got, text.len);
    overwrite(key, text.ptr, want, text.len);
    const bool has_escaped_form = strpbrk(key, "\"\\/") != NULL;
    for (size_t i = 0; i < text.len; i++)
        require(got[i] == want[i] || (has_escaped_form && got[i] == '*'));
    free(got);
    free(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    const size_t key_len = end ? (size_t)(end - data) : 0, skipped = end ? key_len + 1 : 0;
    char key[KEY_MAX + 1] = "";
    if (size == 0 || size - skipped > SLOW_MAX)
        return 0;
    memcpy(key, data, key_len <= KEY_MAX ? key_len : 0);
    const struct xr_str text = {.ptr = (const char *)data + skipped, .len = size - skipped};
    XR_AUTO(xr_providers_config_freep) struct xr_providers_config *config = config_of(key);
    check_text(config, key, text);
    check_keys(config, key, text);
    return 0;
}
