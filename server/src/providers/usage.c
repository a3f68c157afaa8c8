// SPDX-License-Identifier: Apache-2.0
#include "providers/providers.h"

static void add_known(int64_t *sum, int64_t more) {
    if (more < 0)
        return;
    if (*sum < 0)
        *sum = more;
    else if (__builtin_add_overflow(*sum, more, sum))
        *sum = INT64_MAX;
}

void xr_usage_add(struct xr_usage *sum, const struct xr_usage *more) {
    add_known(&sum->calls, more->calls);
    add_known(&sum->input_tokens, more->input_tokens);
    add_known(&sum->output_tokens, more->output_tokens);
    add_known(&sum->audio_ms, more->audio_ms);
    add_known(&sum->characters, more->characters);
}
