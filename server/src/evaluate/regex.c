// SPDX-License-Identifier: Apache-2.0
/* One run of the engine has a thread and a heap of its own. The engine looks at its interrupt handler only every 10,000
 * steps of the matcher, and never in its compiler; one step may compare a back-reference as long as the text, so that a
 * pattern like /(?=(a*))(.*?)(?:\1|a)*b/iu runs on for seconds past its time. A run that does not end by itself is
 * therefore cancelled at once, wherever it is. That is sound because nothing is left behind: inside the cancellable
 * part the engine computes, takes no lock, and its memory is in the heap that goes with the run. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "evaluate/evaluate.h"
#include "evaluate/regex_heap.h"
#include "evaluate/regex_source.h"
#include <pthread.h>
#include <quickjs/quickjs.h>
#include <time.h>

struct run {
    struct xr_str pattern, flags, text;
    struct xr_regex_heap *heap;
    bool timed_out;
    enum xr_code code;
    bool found;
    struct xr_err err;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended; /* under the lock */
};

static void *engine_malloc(JSMallocState *state, size_t n) {
    return xr_regex_heap_alloc(state->opaque, n);
}

static void engine_free(JSMallocState *state, void *p) {
    xr_regex_heap_release(state->opaque, p);
}

static void *engine_realloc(JSMallocState *state, void *p, size_t n) {
    if (n > 0)
        return xr_regex_heap_resize(state->opaque, p, n);
    xr_regex_heap_release(state->opaque, p);
    return NULL;
}

static const JSMallocFunctions MEMORY = {engine_malloc, engine_free, engine_realloc, xr_regex_heap_usable};

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec * XR_NS_PER_S + t.tv_nsec : 0;
}

/* Time of the processor, not of the wall: a busy machine must not turn a good pattern into an error. */
static int on_poll(JSRuntime *runtime, void *opaque) {
    struct run *run = opaque;
    (void)runtime;
    run->timed_out = clock_ns(CLOCK_THREAD_CPUTIME_ID) >= XR_REGEX_TIME_MS * XR_NS_PER_MS;
    return run->timed_out;
}

static void set_cancellable(bool yes) {
    int before;
    pthread_setcanceltype(yes ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED, &before);
    pthread_setcancelstate(yes ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE, &before);
}

static JSValue make_string(JSContext *ctx, struct xr_str s) {
    return JS_NewStringLen(ctx, s.len > 0 ? s.ptr : "", s.len);
}

/* Takes the pending exception for the run's failure. */
static void fail(struct run *run, JSContext *ctx, enum xr_code code) {
    JSValue exception = JS_GetException(ctx);
    if (run->timed_out) {
        run->code = XR_TIMEOUT;
    } else if (xr_regex_heap_exhausted(run->heap)) {
        run->code = XR_NO_MEMORY;
    } else {
        const char *message = JS_ToCString(ctx, JS_GetPropertyStr(ctx, exception, "message"));
        run->code = xr_fail(&run->err, code, NULL, "%s", message ? message : "unknown error");
    }
}

static void test(struct run *run, JSContext *ctx) {
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue constructor = JS_GetPropertyStr(ctx, global, "RegExp");
    JSValue source[] = {make_string(ctx, run->pattern), make_string(ctx, run->flags)};
    JSValue text = make_string(ctx, run->text);
    if (JS_IsException(source[0]) || JS_IsException(source[1]) || JS_IsException(text)) {
        fail(run, ctx, XR_INTERNAL);
        return;
    }
    set_cancellable(true);
    JSValue regexp = JS_CallConstructor(ctx, constructor, 2, source);
    set_cancellable(false);
    if (JS_IsException(regexp)) {
        fail(run, ctx, XR_INVALID);
        return;
    }
    JSValue method = JS_GetPropertyStr(ctx, regexp, "test");
    set_cancellable(true);
    JSValue found = JS_Call(ctx, method, regexp, 1, &text);
    set_cancellable(false);
    if (JS_IsException(found)) {
        fail(run, ctx, XR_INTERNAL);
        return;
    }
    run->found = JS_ToBool(ctx, found) == 1;
    run->code = XR_OK;
}

/* No value is freed here, nor the runtime: they all go with the heap, after a cancelled run and after any other. */
static enum xr_code set_up(struct run *run, JSContext **ret_ctx) {
    JSRuntime *runtime = JS_NewRuntime2(&MEMORY, run->heap);
    JSContext *ctx = runtime ? JS_NewContextRaw(runtime) : NULL;
    if (!ctx)
        return XR_NO_MEMORY;
    JS_SetMaxStackSize(runtime, XR_REGEX_STACK);
    JS_SetInterruptHandler(runtime, on_poll, run);
    JS_AddIntrinsicBaseObjects(ctx);
    JS_AddIntrinsicRegExp(ctx);
    *ret_ctx = ctx;
    return XR_OK;
}

static void *run_engine(void *arg) {
    struct run *run = arg;
    JSContext *ctx = NULL;
    set_cancellable(false);
    run->code = set_up(run, &ctx);
    if (run->code == XR_OK)
        test(run, ctx);
    pthread_mutex_lock(&run->lock);
    run->has_ended = true;
    pthread_cond_signal(&run->ended);
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

static int64_t thread_cpu_ns(pthread_t thread) {
    clockid_t clock;
    return pthread_getcpuclockid(thread, &clock) == 0 ? clock_ns(clock) : 0;
}

/* False when the thread has used up its time and the grace within which it should have seen that itself. */
static bool wait_for_end(struct run *run, pthread_t thread) {
    const int64_t limit_ns = (XR_REGEX_TIME_MS + XR_REGEX_GRACE_MS) * XR_NS_PER_MS;
    int64_t now = clock_ns(CLOCK_MONOTONIC), end = now + XR_REGEX_WALL_MS * XR_NS_PER_MS;
    int64_t left = limit_ns;
    pthread_mutex_lock(&run->lock);
    while (!run->has_ended && left > 0 && now < end) {
        int64_t wake = now + left < end ? now + left : end;
        struct timespec until = {.tv_sec = wake / XR_NS_PER_S, .tv_nsec = wake % XR_NS_PER_S};
        pthread_cond_clockwait(&run->ended, &run->lock, CLOCK_MONOTONIC, &until);
        left = limit_ns - thread_cpu_ns(thread);
        now = clock_ns(CLOCK_MONOTONIC);
    }
    bool has_ended = run->has_ended;
    pthread_mutex_unlock(&run->lock);
    return has_ended;
}

static enum xr_code start(pthread_t *ret_thread, struct run *run) {
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return XR_OVERLOADED;
    int failed = pthread_attr_setstacksize(&attr, XR_REGEX_STACK + XR_REGEX_STACK_MARGIN);
    if (failed == 0)
        failed = pthread_create(ret_thread, &attr, run_engine, run);
    pthread_attr_destroy(&attr);
    return failed == 0 ? XR_OK : XR_OVERLOADED;
}

/* Runs to the end or to a bound; run->code says which. */
static enum xr_code run_in_thread(struct run *run, struct xr_err *err) {
    XR_AUTO(xr_regex_heap_freep) struct xr_regex_heap *heap = xr_regex_heap_new(XR_REGEX_MEMORY);
    pthread_t thread;
    void *result = NULL;
    run->heap = heap;
    if (!heap || start(&thread, run) != XR_OK)
        return xr_fail(err, XR_OVERLOADED, NULL, "no thread or no memory for a regular expression");
    if (!wait_for_end(run, thread))
        pthread_cancel(thread);
    pthread_join(thread, &result);
    if (result == PTHREAD_CANCELED)
        run->code = XR_TIMEOUT;
    run->heap = NULL;
    return XR_OK;
}

enum xr_code xr_regex_test(struct xr_str pattern, struct xr_str flags, struct xr_str text, bool *ret_found,
                           struct xr_err *err) {
    struct xr_buf source = xr_buf_make(pattern.len * 2);
    struct run run = {.flags = flags,
                      .text = text,
                      .code = XR_INTERNAL,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .ended = PTHREAD_COND_INITIALIZER};
    xr_regex_source(pattern, flags, &source);
    run.pattern = xr_buf_view(&source);
    enum xr_code code = source.failed ? xr_fail(err, XR_OVERLOADED, NULL, "out of memory") : run_in_thread(&run, err);
    xr_buf_clear(&source);
    if (code != XR_OK)
        return code;
    switch (run.code) {
    case XR_OK:
        *ret_found = run.found;
        return XR_OK;
    case XR_TIMEOUT:
        return xr_fail(err, XR_TIMEOUT, NULL, "ran longer than %d ms", XR_REGEX_TIME_MS);
    case XR_NO_MEMORY:
        return xr_fail(err, XR_NO_MEMORY, NULL, "needed more than %zu MiB of memory", XR_REGEX_MEMORY / XR_MIB(1));
    default:
        return xr_fail(err, run.code, NULL, "%s", run.err.message);
    }
}
