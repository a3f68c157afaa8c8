// SPDX-License-Identifier: Apache-2.0
/* cli/cli.h - the commands beside serving. Each returns the process's exit status. main's thread. */
#pragma once
#include "config/config.h"

/* GET /healthz of the server this configuration describes: 0 if it answers 200 within 3 s, else 1. */
int xr_cli_healthcheck(const struct xr_config *config);
/* Lists live jobs and dead letters, one line each. */
int xr_cli_jobs(const struct xr_config *config);
