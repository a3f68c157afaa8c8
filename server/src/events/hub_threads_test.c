// SPDX-License-Identifier: Apache-2.0
/* The hub under several threads. Meant to be run under ThreadSanitizer too. Assertions happen on the main thread only:
 * cmocka leaves a failed test by longjmp. */
#include "base/limits.h"
#include "base/test.h"
#include "events/hub.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PUBLISHERS = 3, READERS = 6, EVENTS = 300, ROUNDS = 8, CHURNERS = 2, CHURNS = 1500 };
static_assert(PUBLISHERS * EVENTS < XR_SSE_QUEUE_MAX, "a reader that gets no processor time must not fall behind");

static const struct xr_uuid TOPICS[2] = {{{1}}, {{2}}};

/* A reader sleeps as a suspended connection does: parked() suspends, wake() resumes. */
struct reader {
    pthread_t thread;
    struct xr_hub *hub;
    struct xr_subscriber *subscriber;
    pthread_mutex_t lock;
    pthread_cond_t resumed;
    bool suspended;
    int wakes_while_awake;
    int64_t received, out_of_order;
};

struct publisher {
    pthread_t thread;
    struct xr_hub *hub;
    int64_t number;
};

static void resume(void *ctx) {
    struct reader *reader = ctx;
    pthread_mutex_lock(&reader->lock);
    reader->wakes_while_awake += !reader->suspended;
    reader->suspended = false;
    pthread_cond_signal(&reader->resumed);
    pthread_mutex_unlock(&reader->lock);
}

static void suspend(void *ctx) {
    struct reader *reader = ctx;
    pthread_mutex_lock(&reader->lock);
    reader->suspended = true;
    pthread_mutex_unlock(&reader->lock);
}

static void wait_until_resumed(struct reader *reader) {
    pthread_mutex_lock(&reader->lock);
    while (reader->suspended)
        pthread_cond_wait(&reader->resumed, &reader->lock);
    pthread_mutex_unlock(&reader->lock);
}

/* Reads until it has the last event of every publisher. Events of one publisher must come in order, without a gap. */
static void *read_all(void *arg) {
    struct reader *reader = arg;
    int64_t expected[PUBLISHERS] = {0};
    int finished = 0;
    while (finished < PUBLISHERS) {
        struct xr_event *event = NULL;
        enum xr_next next = xr_subscriber_next(reader->subscriber, suspend, &event);
        if (next == XR_NEXT_CLOSED)
            break;
        if (next == XR_NEXT_NOTHING) {
            wait_until_resumed(reader);
            continue;
        }
        int64_t seq = xr_event_seq(event);
        reader->out_of_order += seq % EVENTS != expected[seq / EVENTS]++;
        reader->received++;
        finished += xr_event_is_last(event);
        xr_event_unref(event);
    }
    return NULL;
}

static void *publish_all_events(void *arg) {
    struct publisher *publisher = arg;
    for (int64_t i = 0; i < EVENTS; i++) {
        XR_AUTO(xr_event_unrefp)
        struct xr_event *event = xr_event_new(XR_STR("data"), publisher->number * EVENTS + i, false, i == EVENTS - 1);
        xr_hub_publish(publisher->hub, &TOPICS[0], event);
        xr_hub_publish(publisher->hub, &TOPICS[1], event);
    }
    return NULL;
}

static void start_reader(struct reader *reader, struct xr_hub *hub, const struct xr_uuid *topic) {
    *reader = (struct reader){.hub = hub};
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->resumed, NULL);
    assert_int_equal(xr_hub_subscribe(hub, topic, resume, reader, &reader->subscriber, NULL), XR_OK);
    assert_int_equal(pthread_create(&reader->thread, NULL, read_all, reader), 0);
}

static void end_reader(struct reader *reader) {
    pthread_join(reader->thread, NULL);
    xr_hub_unsubscribe(reader->hub, reader->subscriber);
    pthread_cond_destroy(&reader->resumed);
    pthread_mutex_destroy(&reader->lock);
}

static void every_reader_gets_every_event_in_order(void **state) {
    (void)state;
    XR_AUTO(xr_hub_freep) struct xr_hub *hub = NULL;
    assert_int_equal(xr_hub_new(&hub, NULL), XR_OK);
    for (int round = 0; round < ROUNDS; round++) {
        struct reader readers[READERS];
        struct publisher publishers[PUBLISHERS];
        for (int i = 0; i < READERS; i++)
            start_reader(&readers[i], hub, &TOPICS[i % 2]);
        for (int i = 0; i < PUBLISHERS; i++) {
            publishers[i] = (struct publisher){.hub = hub, .number = i};
            assert_int_equal(pthread_create(&publishers[i].thread, NULL, publish_all_events, &publishers[i]), 0);
        }
        for (int i = 0; i < PUBLISHERS; i++)
            pthread_join(publishers[i].thread, NULL);
        for (int i = 0; i < READERS; i++) {
            end_reader(&readers[i]);
            assert_int_equal(readers[i].received, PUBLISHERS * EVENTS);
            assert_int_equal(readers[i].out_of_order, 0);
            assert_int_equal(readers[i].wakes_while_awake, 0);
        }
    }
}

static void close_wakes_readers_that_sleep(void **state) {
    (void)state;
    XR_AUTO(xr_hub_freep) struct xr_hub *hub = NULL;
    assert_int_equal(xr_hub_new(&hub, NULL), XR_OK);
    struct reader readers[READERS];
    for (int i = 0; i < READERS; i++)
        start_reader(&readers[i], hub, &TOPICS[0]);
    xr_hub_close(hub);
    for (int i = 0; i < READERS; i++) {
        end_reader(&readers[i]);
        assert_int_equal(readers[i].wakes_while_awake, 0);
    }
}

struct churn {
    pthread_t thread;
    struct xr_hub *hub;
    atomic_int *running;
    int failed;
};

static void count_wake(void *ctx) {
    ++*(int *)ctx;
}

/* Each turn's context is freed right after unsubscribe: a later wake would write to freed memory. */
static void *come_and_go(void *arg) {
    struct churn *churn = arg;
    for (int i = 0; i < CHURNS; i++) {
        int *wakes = calloc(1, sizeof *wakes);
        struct xr_subscriber *subscriber = NULL;
        struct xr_event *event = NULL;
        if (!wakes || xr_hub_subscribe(churn->hub, &TOPICS[i % 2], count_wake, wakes, &subscriber, NULL) != XR_OK) {
            churn->failed++;
        } else {
            if (xr_subscriber_next(subscriber, NULL, &event) == XR_NEXT_EVENT)
                xr_event_unref(event);
            xr_hub_unsubscribe(churn->hub, subscriber);
            churn->failed += *wakes > 1;
        }
        free(wakes);
    }
    atomic_fetch_sub(churn->running, 1);
    return NULL;
}

static void no_wake_follows_unsubscribe(void **state) {
    (void)state;
    XR_AUTO(xr_hub_freep) struct xr_hub *hub = NULL;
    assert_int_equal(xr_hub_new(&hub, NULL), XR_OK);
    XR_AUTO(xr_event_unrefp) struct xr_event *event = xr_event_new(XR_STR("data"), 0, false, false);
    atomic_int running = CHURNERS;
    struct churn churns[CHURNERS];
    for (int i = 0; i < CHURNERS; i++) {
        churns[i] = (struct churn){.hub = hub, .running = &running};
        assert_int_equal(pthread_create(&churns[i].thread, NULL, come_and_go, &churns[i]), 0);
    }
    while (atomic_load(&running) > 0) {
        xr_hub_publish(hub, &TOPICS[0], event);
        xr_hub_publish_all(hub, event);
    }
    for (int i = 0; i < CHURNERS; i++) {
        pthread_join(churns[i].thread, NULL);
        assert_int_equal(churns[i].failed, 0);
    }
    assert_int_equal(xr_hub_subscribers(hub), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_gets_every_event_in_order),
        cmocka_unit_test(close_wakes_readers_that_sleep),
        cmocka_unit_test(no_wake_follows_unsubscribe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
