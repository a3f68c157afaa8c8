// SPDX-License-Identifier: Apache-2.0
/* config/config.h - the server's configuration: environment variables only, checked at start, every problem in one
 * message. main's thread. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "providers/providers.h"

enum { XR_CONFIG_PATH_MAX = 1024 };
struct xr_config {
    char host[64]; /* an IP address */
    uint16_t port; /* 0: a free one */
    char data_dir[XR_CONFIG_PATH_MAX];
    char db_path[XR_CONFIG_PATH_MAX];
    char queue_path[XR_CONFIG_PATH_MAX];
    int64_t stall_timeout_s, stage_timeout_s;
    unsigned workers, concurrency;
    enum xr_log_format log_format;
    enum xr_log_level log_level;
    struct xr_providers_config *providers; /* owned */
    struct xr_buf warnings; /* lines; never a key */
};

/* env: NULL-terminated "NAME=value" strings (environ). XR_INVALID: `problems` has a line for each. */
XR_MUST_USE enum xr_code xr_config_load(char *const *env, struct xr_buf *problems, struct xr_config *ret_config,
                                        struct xr_err *err);
void xr_config_clear(struct xr_config *config);
/* What would be used, one `name: value` a line; keys are masked. */
void xr_config_describe(const struct xr_config *config, struct xr_buf *out);
