// SPDX-License-Identifier: Apache-2.0
#include "providers/client.h"
#include "base/uuid.h"
#include "providers/places.h"
#include "providers/retry.h"
#include "providers/transfer.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* TICK: a group that is cancelled tells nobody, so while there is an exchange its flag is looked at again and again. */
enum { TICK_MS = 20, IDLE_MS = 60000, CONNECTIONS_KEPT = 64 };

struct xr_client {
    struct xr_client_config config;
    struct xr_curl curl;
    CURLM *multi;
    pthread_t thread;
    _Atomic bool stopping;
    pthread_mutex_t lock; /* a leaf; guards the next two */
    struct xr_places places;
    struct xr_exchange_list to_send;
    struct xr_answers answers;
    struct xr_exchange_list active; /* the thread's: attempts under way */
    int64_t next_sweep; /* the thread's */
    bool again; /* the thread's: there is something new to look at */
};

/* The client whose thread this is: waking itself up would cost it half a dozen system calls. */
static _Thread_local struct xr_client *own;

static void wake(struct xr_client *client) {
    if (client == own)
        client->again = true;
    else
        client->curl.curl_multi_wakeup(client->multi);
}

static int64_t now_mono(const struct xr_client *client) {
    return xr_clock_mono(client->config.clock);
}

static bool is_cancelled(const struct xr_client *client, const struct xr_exchange *exchange) {
    return atomic_load(&client->stopping) || (exchange->group && atomic_load(&exchange->group->cancelled));
}

static enum xr_code too_late(struct xr_exchange *exchange) {
    struct xr_err last = exchange->err;
    if (exchange->attempts == 0)
        return xr_fail(&exchange->err, XR_TIMEOUT, NULL, "the deadline passed before its turn had come");
    if (!last.message[0])
        return xr_fail(&exchange->err, XR_TIMEOUT, NULL, "the deadline passed before it answered");
    xr_fail(&exchange->err, XR_TIMEOUT, NULL, "the deadline passed after %d attempts; before that: %s",
            exchange->attempts, last.message);
    exchange->err.status = last.status;
    return XR_TIMEOUT;
}

/* XR_OK while the exchange may go on; else why not, in the exchange too. */
static enum xr_code look(const struct xr_client *client, struct xr_exchange *exchange, int64_t now) {
    if (is_cancelled(client, exchange))
        return exchange->code = xr_fail(&exchange->err, XR_CANCELLED, NULL, "cancelled");
    if (now >= exchange->until_mono_ns)
        return exchange->code = too_late(exchange);
    return XR_OK;
}

/* The same of one that waits; under the lock. */
static enum xr_code look_waiting(const struct xr_client *client, struct xr_exchange *exchange, int64_t now) {
    exchange->until_mono_ns = xr_places_deadline(exchange, now);
    enum xr_code code = look(client, exchange, now);
    if (code == XR_OK && xr_places_crowded_out(exchange, now))
        code = exchange->code =
            xr_fail(&exchange->err, XR_OVERLOADED, NULL, "it was busy with others until the deadline");
    return code;
}

/* --- an exchange's end --- */

static void over(struct xr_client *client, struct xr_exchange *exchange, enum xr_code code) {
    xr_exchange_remove(&client->active, exchange);
    exchange->code = code;
    exchange->done(exchange);
}

static void drop_transfer(struct xr_client *client, struct xr_exchange *exchange) {
    struct xr_transfer *transfer = exchange->transfer;
    if (!transfer)
        return;
    client->curl.curl_multi_remove_handle(client->multi, xr_transfer_handle(transfer));
    xr_transfer_free(transfer);
    exchange->transfer = NULL;
}

static void fail_for_good(struct xr_client *client, struct xr_exchange *exchange) {
    struct xr_err last = exchange->err;
    if (exchange->attempts > 1) {
        xr_fail(&exchange->err, last.code, NULL, "failed after %d attempts: %s", exchange->attempts, last.message);
        exchange->err.status = last.status;
    }
    over(client, exchange, last.code);
}

/* --- attempts --- */

static void begin_attempt(struct xr_client *client, struct xr_exchange *exchange) {
    struct xr_transfer *transfer = NULL;
    exchange->attempts++;
    enum xr_code code = xr_transfer_new(&client->curl, exchange, client->config.ca_file, &transfer, &exchange->err);
    if (code == XR_OK && client->curl.curl_multi_add_handle(client->multi, xr_transfer_handle(transfer)) != CURLM_OK) {
        xr_transfer_free(transfer);
        code = xr_fail(&exchange->err, XR_NO_MEMORY, NULL, "a request could not be started");
    }
    if (code == XR_OK)
        exchange->transfer = transfer;
    else
        over(client, exchange, code);
}

static int64_t pause_ns(const struct xr_client *client, const struct xr_exchange *exchange, int64_t retry_after_s) {
    struct xr_uuid noise = xr_uuid_new();
    uint64_t random;
    memcpy(&random, noise.bytes, sizeof random);
    return XR_NS_PER_MS * xr_retry_delay_ms(exchange->attempts, client->config.backoff_ms, retry_after_s, random);
}

static void forget_answer(struct xr_exchange *exchange) {
    atomic_fetch_sub(&exchange->answers->bytes, exchange->counted);
    if (exchange->group)
        atomic_fetch_sub(&exchange->group->answer_bytes, exchange->counted);
    exchange->counted = 0;
}

/* Whoever waits goes on meanwhile. */
static void back_off(struct xr_client *client, struct xr_exchange *exchange, int64_t now, int64_t pause) {
    xr_exchange_remove(&client->active, exchange);
    exchange->due_mono_ns = now + pause;
    xr_buf_clear(&exchange->response);
    forget_answer(exchange);
    if (exchange->released)
        exchange->released(exchange);
    pthread_mutex_lock(&client->lock);
    xr_places_leave(&client->places, exchange, now);
    xr_places_wait(&client->places, exchange, now);
    pthread_mutex_unlock(&client->lock);
    client->again = true;
}

static void attempt_over(struct xr_client *client, struct xr_exchange *exchange, CURLcode result) {
    struct xr_transfer_result r = xr_transfer_finish(exchange->transfer, result, client->config.secrets);
    drop_transfer(client, exchange);
    if (r.code == XR_OK) {
        over(client, exchange, XR_OK);
        return;
    }
    int64_t now = now_mono(client), pause = pause_ns(client, exchange, r.retry_after_s);
    bool in_time = exchange->until_mono_ns - now > pause;
    if (r.crowded)
        exchange->attempts--;
    if (!r.transient || exchange->attempts >= XR_RETRY_ATTEMPTS || !in_time) {
        fail_for_good(client, exchange);
        return;
    }
    back_off(client, exchange, now, pause);
}

static void take_results(struct xr_client *client) {
    int left = 0;
    for (CURLMsg *message; (message = client->curl.curl_multi_info_read(client->multi, &left));)
        if (message->msg == CURLMSG_DONE)
            attempt_over(client, xr_transfer_exchange(&client->curl, message->easy_handle), message->data.result);
}

/* --- the thread --- */

/* Those that wait and may wait no longer leave the queue; those that may have a place get one. */
static struct xr_exchange_list take_ready(struct xr_client *client, int64_t now, bool sweep) {
    struct xr_exchange_list ready = {0};
    pthread_mutex_lock(&client->lock);
    for (struct xr_exchange *e = sweep ? client->places.waiting.first : NULL, *next; e; e = next) {
        next = e->next;
        if (look_waiting(client, e, now) != XR_OK) {
            xr_exchange_remove(&client->places.waiting, e);
            xr_exchange_append(&ready, e);
        }
    }
    for (struct xr_exchange *e; (e = xr_places_next(&client->places, now));)
        xr_exchange_append(&ready, e);
    pthread_mutex_unlock(&client->lock);
    return ready;
}

static void call_ready(struct xr_client *client, int64_t now, bool sweep) {
    struct xr_exchange_list ready = take_ready(client, now, sweep);
    for (struct xr_exchange *e; (e = xr_exchange_take(&ready));)
        e->ready(e);
}

static void send_prepared(struct xr_client *client, int64_t now) {
    pthread_mutex_lock(&client->lock);
    struct xr_exchange_list prepared = client->to_send;
    client->to_send = (struct xr_exchange_list){0};
    pthread_mutex_unlock(&client->lock);
    for (struct xr_exchange *e; (e = xr_exchange_take(&prepared));) {
        xr_exchange_append(&client->active, e);
        if (look(client, e, now) == XR_OK)
            begin_attempt(client, e);
        else
            over(client, e, e->code);
    }
}

static void sweep_active(struct xr_client *client, int64_t now) {
    for (struct xr_exchange *e = client->active.first, *next; e; e = next) {
        next = e->next;
        if (look(client, e, now) != XR_OK) {
            drop_transfer(client, e);
            over(client, e, e->code);
        }
    }
}

/* How long the thread may sleep; -1: its work is over. */
static int pause_ms(struct xr_client *client) {
    if (client->again)
        return 0;
    pthread_mutex_lock(&client->lock);
    bool nothing = xr_places_empty(&client->places), waiting = client->places.waiting.first != NULL;
    pthread_mutex_unlock(&client->lock);
    if (nothing && atomic_load(&client->stopping))
        return -1;
    return waiting || client->active.first ? TICK_MS : IDLE_MS;
}

static void *run(void *arg) {
    struct xr_client *client = own = arg;
    for (int pause = 0; pause >= 0; pause = pause_ms(client)) {
        int under_way = 0;
        if (pause > 0)
            client->curl.curl_multi_poll(client->multi, NULL, 0, pause, NULL);
        client->again = false;
        int64_t now = now_mono(client);
        bool sweep = now >= client->next_sweep;
        if (sweep)
            client->next_sweep = now + TICK_MS * XR_NS_PER_MS;
        call_ready(client, now, sweep);
        send_prepared(client, now);
        if (sweep)
            sweep_active(client, now);
        client->curl.curl_multi_perform(client->multi, &under_way);
        take_results(client);
    }
    return NULL;
}

/* --- from outside --- */

void xr_client_queue(struct xr_client *client, struct xr_exchange *exchange) {
    exchange->code = XR_OK;
    exchange->err = (struct xr_err){0};
    exchange->response = (struct xr_buf){0};
    exchange->transfer = NULL;
    exchange->attempts = 0;
    exchange->answers = &client->answers;
    exchange->counted = 0;
    exchange->order = 0;
    exchange->due_mono_ns = INT64_MIN;
    int64_t now = now_mono(client);
    pthread_mutex_lock(&client->lock);
    xr_places_wait(&client->places, exchange, now);
    pthread_mutex_unlock(&client->lock);
    wake(client);
}

void xr_client_send(struct xr_client *client, struct xr_exchange *exchange) {
    pthread_mutex_lock(&client->lock);
    xr_exchange_append(&client->to_send, exchange);
    wake(client); /* under the lock: once it is open the exchange may be over, and with it the client */
    pthread_mutex_unlock(&client->lock);
}

void xr_client_step_back(struct xr_client *client, struct xr_exchange *exchange) {
    int64_t now = now_mono(client);
    forget_answer(exchange);
    pthread_mutex_lock(&client->lock);
    xr_places_step_back(exchange, now);
    pthread_mutex_unlock(&client->lock);
}

/* The wake-up comes under the lock: with the last place given back, the client may be freed as soon as it is open. */
void xr_client_leave(struct xr_client *client, struct xr_exchange *exchange) {
    int64_t now = now_mono(client);
    forget_answer(exchange);
    pthread_mutex_lock(&client->lock);
    xr_places_leave(&client->places, exchange, now);
    wake(client);
    pthread_mutex_unlock(&client->lock);
}

static void free_client(struct xr_client *client) {
    client->curl.curl_multi_cleanup(client->multi);
    xr_curl_close(&client->curl);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static bool start_thread(struct xr_client *client) {
    client->multi = client->curl.curl_multi_init();
    if (!client->multi ||
        client->curl.curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT) != CURLM_OK)
        return false;
    if (pthread_create(&client->thread, NULL, run, client) != 0)
        return false;
    pthread_setname_np(client->thread, "providers-http");
    return true;
}

enum xr_code xr_client_new(const struct xr_client_config *config, struct xr_client **ret_client, struct xr_err *err) {
    struct xr_curl curl;
    enum xr_code code = xr_curl_open(&curl, err);
    if (code != XR_OK)
        return code;
    struct xr_client *client = calloc(1, sizeof *client);
    if (!client) {
        xr_curl_close(&curl);
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    client->config = *config;
    client->curl = curl;
    client->places = (struct xr_places){.per_group = config->per_group, .per_lane = config->per_lane};
    client->answers.max = config->answers_max;
    client->answers.group_max = config->group_answers_max;
    client->answers.small = config->answer_small;
    pthread_mutex_init(&client->lock, NULL);
    if (!start_thread(client)) {
        free_client(client);
        return xr_fail(err, XR_INTERNAL, NULL, "the client of the providers could not be started");
    }
    *ret_client = client;
    return XR_OK;
}

void xr_client_free(struct xr_client *client) {
    if (!client)
        return;
    atomic_store(&client->stopping, true);
    client->curl.curl_multi_wakeup(client->multi);
    pthread_join(client->thread, NULL);
    free_client(client);
}
