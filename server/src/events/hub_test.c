// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "events/hub.h"
#include <stdio.h>
#include <stdlib.h>

static const struct xr_uuid TOPIC_A = {{1}}, TOPIC_B = {{2}};

struct sleeper {
    struct xr_subscriber *subscriber;
    int parked, woken;
};

static void wake(void *ctx) {
    ((struct sleeper *)ctx)->woken++;
}

static void parked(void *ctx) {
    ((struct sleeper *)ctx)->parked++;
}

static int new_hub(void **state) {
    struct xr_hub *hub = NULL;
    if (xr_hub_new(&hub, NULL) != XR_OK)
        return -1;
    *state = hub;
    return 0;
}

static int free_hub(void **state) {
    xr_hub_free(*state);
    return 0;
}

static void subscribe(struct xr_hub *hub, const struct xr_uuid *topic, struct sleeper *sleeper) {
    *sleeper = (struct sleeper){0};
    assert_int_equal(xr_hub_subscribe(hub, topic, wake, sleeper, &sleeper->subscriber, NULL), XR_OK);
}

static struct xr_event *event_of(int64_t seq) {
    char text[32];
    snprintf(text, sizeof text, "event %d", (int)seq);
    struct xr_event *event = xr_event_new(xr_str_from(text), seq, false, false);
    assert_non_null(event);
    return event;
}

static void publish(struct xr_hub *hub, const struct xr_uuid *topic, int64_t seq) {
    XR_AUTO(xr_event_unrefp) struct xr_event *event = event_of(seq);
    xr_hub_publish(hub, topic, event);
}

static enum xr_next next_of(struct sleeper *sleeper, int64_t *ret_seq) {
    XR_AUTO(xr_event_unrefp) struct xr_event *event = NULL;
    enum xr_next next = xr_subscriber_next(sleeper->subscriber, parked, &event);
    if (next == XR_NEXT_EVENT)
        *ret_seq = xr_event_seq(event);
    return next;
}

static void assert_next_is(struct sleeper *sleeper, int64_t expected) {
    int64_t seq = -1;
    assert_int_equal(next_of(sleeper, &seq), XR_NEXT_EVENT);
    assert_int_equal(seq, expected);
}

static void assert_nothing(struct sleeper *sleeper) {
    int before = sleeper->parked;
    assert_int_equal(next_of(sleeper, NULL), XR_NEXT_NOTHING);
    assert_int_equal(sleeper->parked, before + 1);
}

static void event_keeps_its_bytes_and_marks(void **state) {
    (void)state;
    XR_AUTO(xr_event_unrefp) struct xr_event *event = xr_event_new(XR_STR("a\0b"), 7, true, false);
    assert_true(xr_str_eq(xr_event_bytes(event), XR_STR("a\0b")));
    assert_int_equal(xr_event_seq(event), 7);
    assert_true(xr_event_is_state(event));
    assert_false(xr_event_is_last(event));
    XR_AUTO(xr_event_unrefp) struct xr_event *last = xr_event_new((struct xr_str){0}, -1, false, true);
    assert_int_equal(xr_event_bytes(last).len, 0);
    assert_true(xr_event_is_last(last));
    assert_null(xr_event_new((struct xr_str){.ptr = "", .len = SIZE_MAX}, 0, false, false));
}

static void subscriber_gets_events_of_its_topic_in_order(void **state) {
    struct sleeper a, b;
    subscribe(*state, &TOPIC_A, &a);
    subscribe(*state, &TOPIC_B, &b);
    publish(*state, &TOPIC_A, 1);
    publish(*state, &TOPIC_B, 2);
    publish(*state, &TOPIC_A, 3);
    assert_next_is(&a, 1);
    assert_next_is(&a, 3);
    assert_nothing(&a);
    assert_next_is(&b, 2);
    assert_nothing(&b);
    xr_hub_unsubscribe(*state, a.subscriber);
    xr_hub_unsubscribe(*state, b.subscriber);
}

static void all_subscribers_share_one_copy(void **state) {
    struct sleeper a, b;
    subscribe(*state, &TOPIC_A, &a);
    subscribe(*state, &TOPIC_A, &b);
    struct xr_event *event = event_of(5), *from_a = NULL, *from_b = NULL;
    xr_hub_publish(*state, &TOPIC_A, event);
    xr_event_unref(event);
    assert_int_equal(xr_subscriber_next(a.subscriber, NULL, &from_a), XR_NEXT_EVENT);
    assert_int_equal(xr_subscriber_next(b.subscriber, NULL, &from_b), XR_NEXT_EVENT);
    assert_ptr_equal(from_a, from_b);
    xr_event_unref(from_a);
    assert_true(xr_str_eq(xr_event_bytes(from_b), XR_STR("event 5")));
    xr_event_unref(from_b);
    xr_hub_unsubscribe(*state, a.subscriber);
    xr_hub_unsubscribe(*state, b.subscriber);
}

static void only_a_sleeper_is_woken_and_only_once(void **state) {
    struct sleeper a;
    subscribe(*state, &TOPIC_A, &a);
    publish(*state, &TOPIC_A, 1);
    assert_int_equal(a.woken, 0); /* it has not said that it has nothing to do */
    assert_next_is(&a, 1);
    assert_nothing(&a);
    publish(*state, &TOPIC_A, 2);
    publish(*state, &TOPIC_A, 3);
    assert_int_equal(a.woken, 1);
    assert_next_is(&a, 2);
    publish(*state, &TOPIC_A, 4);
    assert_int_equal(a.woken, 1);
    assert_next_is(&a, 3);
    assert_next_is(&a, 4);
    assert_nothing(&a);
    publish(*state, &TOPIC_B, 5);
    assert_int_equal(a.woken, 1);
    xr_hub_unsubscribe(*state, a.subscriber);
}

static void parked_may_be_left_out(void **state) {
    struct sleeper a;
    subscribe(*state, &TOPIC_A, &a);
    struct xr_event *event = NULL;
    assert_int_equal(xr_subscriber_next(a.subscriber, NULL, &event), XR_NEXT_NOTHING);
    assert_null(event);
    publish(*state, &TOPIC_A, 1);
    assert_int_equal(a.woken, 1);
    xr_hub_unsubscribe(*state, a.subscriber);
}

static void unsubscribed_is_not_woken(void **state) {
    struct sleeper a, b;
    subscribe(*state, &TOPIC_A, &a);
    subscribe(*state, &TOPIC_A, &b);
    assert_nothing(&a);
    assert_nothing(&b);
    xr_hub_unsubscribe(*state, a.subscriber);
    publish(*state, &TOPIC_A, 1);
    assert_int_equal(a.woken, 0);
    assert_int_equal(b.woken, 1);
    xr_hub_unsubscribe(*state, b.subscriber);
    publish(*state, &TOPIC_A, 2);
    assert_int_equal(xr_hub_subscribers(*state), 0);
}

static void the_queue_holds_its_bound_and_no_more(void **state) {
    struct sleeper slow, quick;
    subscribe(*state, &TOPIC_A, &slow);
    subscribe(*state, &TOPIC_A, &quick);
    for (int64_t i = 0; i < XR_SSE_QUEUE_MAX; i++) {
        publish(*state, &TOPIC_A, i);
        assert_next_is(&quick, i);
    }
    for (int64_t i = 0; i < 3; i++)
        assert_next_is(&slow, i);
    for (int64_t i = 0; i < 3; i++)
        publish(*state, &TOPIC_A, XR_SSE_QUEUE_MAX + i);
    for (int64_t i = 3; i < XR_SSE_QUEUE_MAX + 3; i++)
        assert_next_is(&slow, i);
    assert_nothing(&slow);
    for (int64_t i = 0; i <= XR_SSE_QUEUE_MAX; i++)
        publish(*state, &TOPIC_A, i);
    assert_int_equal(next_of(&slow, NULL), XR_NEXT_CLOSED);
    publish(*state, &TOPIC_A, 1);
    assert_int_equal(next_of(&slow, NULL), XR_NEXT_CLOSED);
    xr_hub_unsubscribe(*state, slow.subscriber);
    xr_hub_unsubscribe(*state, quick.subscriber);
}

static void publish_all_reaches_every_topic(void **state) {
    struct sleeper a, b;
    subscribe(*state, &TOPIC_A, &a);
    subscribe(*state, &TOPIC_B, &b);
    assert_nothing(&a);
    XR_AUTO(xr_event_unrefp) struct xr_event *event = event_of(9);
    xr_hub_publish_all(*state, event);
    assert_int_equal(a.woken, 1);
    assert_int_equal(b.woken, 0);
    assert_next_is(&a, 9);
    assert_next_is(&b, 9);
    xr_hub_unsubscribe(*state, a.subscriber);
    xr_hub_unsubscribe(*state, b.subscriber);
}

static void close_ends_every_subscriber_also_later_ones(void **state) {
    struct sleeper asleep, busy, late;
    subscribe(*state, &TOPIC_A, &asleep);
    subscribe(*state, &TOPIC_B, &busy);
    assert_nothing(&asleep);
    publish(*state, &TOPIC_B, 1);
    xr_hub_close(*state);
    xr_hub_close(*state);
    assert_int_equal(asleep.woken, 1);
    assert_int_equal(busy.woken, 0);
    subscribe(*state, &TOPIC_A, &late);
    assert_int_equal(next_of(&asleep, NULL), XR_NEXT_CLOSED);
    assert_int_equal(next_of(&busy, NULL), XR_NEXT_CLOSED);
    assert_int_equal(next_of(&late, NULL), XR_NEXT_CLOSED);
    assert_int_equal(asleep.parked, 1);
    publish(*state, &TOPIC_A, 2);
    assert_int_equal(asleep.woken, 1);
    xr_hub_unsubscribe(*state, asleep.subscriber);
    xr_hub_unsubscribe(*state, busy.subscriber);
    xr_hub_unsubscribe(*state, late.subscriber);
}

static void subscribers_are_bounded(void **state) {
    static struct sleeper many[XR_SUBSCRIBERS_MAX];
    for (unsigned i = 0; i < XR_SUBSCRIBERS_MAX; i++) {
        /* Many topics, so that buckets hold several; every fifth subscriber shares one. */
        struct xr_uuid topic = {{(uint8_t)(i % 5), (uint8_t)i, (uint8_t)(i >> 8)}};
        subscribe(*state, i % 5 ? &topic : &TOPIC_A, &many[i]);
    }
    struct xr_subscriber *one_more = NULL;
    struct xr_err err;
    assert_int_equal(xr_hub_subscribe(*state, &TOPIC_A, wake, NULL, &one_more, &err), XR_OVERLOADED);
    assert_null(one_more);
    assert_int_equal(xr_hub_subscribers(*state), XR_SUBSCRIBERS_MAX);
    publish(*state, &TOPIC_A, 1);
    for (unsigned i = 0; i < XR_SUBSCRIBERS_MAX; i++) {
        int64_t seq;
        assert_int_equal(next_of(&many[i], &seq), i % 5 ? XR_NEXT_NOTHING : XR_NEXT_EVENT);
    }
    for (unsigned i = 0; i < XR_SUBSCRIBERS_MAX; i++) /* neither first to last nor last to first */
        xr_hub_unsubscribe(*state, many[i * 7 % XR_SUBSCRIBERS_MAX].subscriber);
    assert_int_equal(xr_hub_subscribers(*state), 0);
    subscribe(*state, &TOPIC_A, &many[0]);
    xr_hub_unsubscribe(*state, many[0].subscriber);
}

#define HUB_TEST(name) cmocka_unit_test_setup_teardown(name, new_hub, free_hub)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_keeps_its_bytes_and_marks),
        HUB_TEST(subscriber_gets_events_of_its_topic_in_order),
        HUB_TEST(all_subscribers_share_one_copy),
        HUB_TEST(only_a_sleeper_is_woken_and_only_once),
        HUB_TEST(parked_may_be_left_out),
        HUB_TEST(unsubscribed_is_not_woken),
        HUB_TEST(the_queue_holds_its_bound_and_no_more),
        HUB_TEST(publish_all_reaches_every_topic),
        HUB_TEST(close_ends_every_subscriber_also_later_ones),
        HUB_TEST(subscribers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
