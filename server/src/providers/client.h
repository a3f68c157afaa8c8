// SPDX-License-Identifier: Apache-2.0
/* providers/client.h - requests to other hosts: libcurl's multi interface on one thread, with connections that are
 * kept, HTTP/2 where it is offered, verified TLS, retries, and a bound on how many are under way. Redirects are not
 * followed. Any thread may call anything but free, which belongs to who made it.
 *
 *   xr_client_queue -> [waits for a place] -> ready -> (its maker prepares it) -> xr_client_send -> [attempt]
 *                              ^                                                                       |
 *                              +---------- [pause] <- released <- it failed, and may go better --------+
 *                                                                                                      v
 *                                          xr_client_leave <- (its maker reads the response) <- done <-+
 *
 * ready, released and done are called on the client's thread and must be short: every other exchange waits for them.
 * The bodies of requests and responses exist only while an exchange has a place, so the places bound their memory;
 * large
 * responses have bounds of their own besides, since few are as large as each may be. Who has which place when:
 * places.h. */
#pragma once
#include "base/clock.h"
#include "providers/exchange.h"

enum { XR_LANES = XR_STAGE_KIND_COUNT };

struct xr_client_config {
    const struct xr_clock *clock;
    const struct xr_providers_config *secrets; /* what must not be in an error; borrowed */
    const char *ca_file; /* NULL: the system's certificates */
    unsigned per_group, per_lane;
    int64_t backoff_ms; /* XR_RETRY_BACKOFF_MS */
    /* Bytes of all responses at a time, and of one group's, beyond the first `answer_small` of each. What would pass
     * them is asked for again later, which is no attempt. */
    size_t answers_max, group_answers_max, answer_small;
};
struct xr_client;
XR_MUST_USE enum xr_code xr_client_new(const struct xr_client_config *config, struct xr_client **ret_client,
                                       struct xr_err *err);
/* Ends every exchange with XR_CANCELLED, waits until each has left, joins the thread. NULL is fine. Nothing may be
 * queued beside it. */
void xr_client_free(struct xr_client *client);
XR_DEFINE_FREEP(struct xr_client, xr_client_free)

/* Never waits and never calls back from inside. */
void xr_client_queue(struct xr_client *client, struct xr_exchange *exchange);
void xr_client_send(struct xr_client *client, struct xr_exchange *exchange);
/* Before leaving, once the response has been freed: the client does not touch the group any more, but nobody else gets
 * the place yet. So a call can be answered, and the group's next one queued, before others are looked at. */
void xr_client_step_back(struct xr_client *client, struct xr_exchange *exchange);
/* Gives the place back: after done, or after ready instead of sending, when the response has been freed. The client
 * does not touch the exchange, nor its group, any more once it has returned. */
void xr_client_leave(struct xr_client *client, struct xr_exchange *exchange);
