// SPDX-License-Identifier: Apache-2.0
#include "audio/net_model.h"
#include "audio/net_weights.h"
#include "base/test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 8, HEADER_ROOM = 16384 };

/* A copy of the embedded file that ends where its allocation does. */
static unsigned char *copy_file(size_t *ret_size) {
    size_t size = (size_t)xr_voice_network_size;
    unsigned char *file = malloc(size);
    assert_non_null(file);
    memcpy(file, xr_voice_network, size);
    *ret_size = size;
    return file;
}

static size_t header_size(void) {
    uint64_t size;
    memcpy(&size, xr_voice_network, sizeof size);
    return (size_t)size;
}

static void expect_refused(const void *file, size_t size) {
    struct xr_net_weights weights = {0};
    struct xr_err err = {0};
    assert_int_equal(xr_net_weights_read(file, size, &weights, &err), XR_CORRUPT);
    assert_true(err.message[0] != 0);
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++)
        assert_null(weights.data[i]);
}

/* A file with that header, and numbers of 0. */
static void expect_header(const char *header, enum xr_code code) {
    uint64_t length = strlen(header);
    size_t size = (size_t)xr_voice_network_size - header_size() + length;
    unsigned char *file = calloc(1, size);
    struct xr_net_weights weights;
    assert_non_null(file);
    memcpy(file, &length, sizeof length);
    memcpy(file + LENGTH, header, length);
    if (xr_net_weights_read(file, size, &weights, NULL) != code)
        fail_msg("not %s: %s", xr_code_name(code), header);
    free(file);
}

/* The header with one text put in place of another. */
static void replaced(const char *what, const char *with, char out[HEADER_ROOM]) {
    char header[HEADER_ROOM];
    size_t size = header_size();
    assert_true(size + strlen(with) < HEADER_ROOM);
    memcpy(header, xr_voice_network + LENGTH, size);
    header[size] = 0;
    const char *found = strstr(header, what);
    assert_non_null(found);
    snprintf(out, HEADER_ROOM, "%.*s%s%s", (int)(found - header), header, with, found + strlen(what));
}

static void the_embedded_file_is_read(void **state) {
    (void)state;
    struct xr_net_weights weights;
    size_t count = 0;
    assert_int_equal(xr_net_weights_read(xr_voice_network, (size_t)xr_voice_network_size, &weights, NULL), XR_OK);
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++)
        count += xr_net_tensor_size((enum xr_net_tensor)i);
    assert_int_equal(LENGTH + header_size() + count * sizeof(float), xr_voice_network_size);
    assert_int_equal(xr_net_tensor_size(XR_NET_CONV1_WEIGHT), 128 * 129 * 3);
    /* The window's middle, where it and the cosine of bin 0 are 1. */
    assert_true(fabsf(xr_net_weight(&weights, XR_NET_STFT, 128) - 1) < 1e-6F);
}

static void a_file_at_any_alignment_is_read(void **state) {
    (void)state;
    size_t size = (size_t)xr_voice_network_size;
    unsigned char *moved = malloc(size + 1);
    struct xr_net_weights weights;
    assert_non_null(moved);
    memcpy(moved + 1, xr_voice_network, size);
    assert_int_equal(xr_net_weights_read(moved + 1, size, &weights, NULL), XR_OK);
    assert_true(fabsf(xr_net_weight(&weights, XR_NET_STFT, 128) - 1) < 1e-6F);
    free(moved);
}

static void a_cut_file_is_refused(void **state) {
    (void)state;
    size_t end = LENGTH + header_size(), size = (size_t)xr_voice_network_size;
    for (size_t cut = 0; cut <= size; cut += cut < end + 8 || cut + 8 > size ? 1 : (size - cut) / 2) {
        unsigned char *file = malloc(cut ? cut : 1);
        assert_non_null(file);
        memcpy(file, xr_voice_network, cut);
        if (cut < size)
            expect_refused(file, cut);
        free(file);
    }
}

static void a_longer_file_is_refused(void **state) {
    (void)state;
    size_t size = (size_t)xr_voice_network_size;
    unsigned char *file = calloc(1, size + 4);
    assert_non_null(file);
    memcpy(file, xr_voice_network, size);
    expect_refused(file, size + 1);
    expect_refused(file, size + 4);
    free(file);
}

static void every_flipped_bit_of_the_header_is_seen(void **state) {
    (void)state;
    size_t size, end = LENGTH + header_size();
    unsigned char *file = copy_file(&size);
    for (size_t bit = 0; bit < end * 8; bit++) {
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        expect_refused(file, size);
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(file);
}

static void numbers_that_are_no_weights_are_refused(void **state) {
    (void)state;
    static const float numbers[] = {NAN, -NAN, INFINITY, -INFINITY, 1001, -1001, 3e38F};
    size_t size, end = LENGTH + header_size();
    unsigned char *file = copy_file(&size);
    const size_t places[] = {end, end + 264192, size - sizeof(float)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            unsigned char kept[sizeof(float)];
            memcpy(kept, file + places[p], sizeof kept);
            memcpy(file + places[p], &numbers[i], sizeof kept);
            expect_refused(file, size);
            memcpy(file + places[p], kept, sizeof kept);
        }
    free(file);
}

static void headers_that_say_something_else_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *what, *with;
    } changes[] = {
        {"conv1.bias", "conv1.base"}, /* a name */
        {"\"conv1.bias\":{", "\"conv1.bias\":{\"more\":1,"},
        {"{\"stft", "{\"__metadata__\":{},\"stft"},
        {"{\"stft_conv.weight\":{", "{\"stft_conv.weight\":{},\"stft_conv.weight\":{"},
        {"\"dtype\":\"F32\"", "\"dtype\":\"F16\""},
        {"\"dtype\":\"F32\"", "\"dtype\":32"},
        {"[258,1,256]", "[258,256]"}, /* a shape */
        {"[258,1,256]", "[258,1,256,1]"},
        {"[258,1,256]", "[256,1,258]"},
        {"[258,1,256]", "[258,1,256.0]"},
        {"[258,1,256]", "66048"},
        {"[258,1,256]", "[258,-1,-256]"},
        {"[258,1,256]", "[[258],1,256]"},
        {"[0,264192]", "[0,264196]"}, /* a place */
        {"[0,264192]", "[4,264192]"},
        {"[0,264192]", "[-1,264192]"},
        {"[0,264192]", "[264192,0]"},
        {"[0,264192]", "[0,18446744073709551616]"},
        {"[0,264192]", "[0,264192,0]"},
        {"[264192,462336]", "[0,198144]"}, /* overlaps the one before it */
        {"{\"stft", "[{\"stft"}, /* no JSON */
    };
    char header[HEADER_ROOM];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        replaced(changes[i].what, changes[i].with, header);
        expect_header(header, XR_CORRUPT);
    }
    expect_header("", XR_CORRUPT);
    expect_header("null", XR_CORRUPT);
    expect_header("[]", XR_CORRUPT);
    expect_header("{}", XR_CORRUPT);
    expect_header("{\"stft_conv.weight\":null}", XR_CORRUPT);
}

static void headers_that_say_the_same_are_read(void **state) {
    (void)state;
    char header[HEADER_ROOM];
    replaced("[0,264192]", "[ 0 , 264192 ]", header);
    expect_header(header, XR_OK);
    replaced("\"dtype\":\"F32\",\"shape\":[258,1,256]", "\"shape\":[258,1,256],\"dtype\":\"F32\"", header);
    expect_header(header, XR_OK);
}

static void a_header_beyond_its_bound_is_refused(void **state) {
    (void)state;
    enum { BOUND = 4096 };
    char header[HEADER_ROOM] = {0};
    memset(header, ' ', BOUND + 1);
    memcpy(header, xr_voice_network + LENGTH, header_size());
    header[BOUND] = 0;
    expect_header(header, XR_OK);
    header[BOUND] = ' ';
    expect_header(header, XR_CORRUPT);
    memset(header, '[', BOUND); /* deep */
    header[BOUND] = 0;
    expect_header(header, XR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_embedded_file_is_read),
        cmocka_unit_test(a_file_at_any_alignment_is_read),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(a_longer_file_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_header_is_seen),
        cmocka_unit_test(numbers_that_are_no_weights_are_refused),
        cmocka_unit_test(headers_that_say_something_else_are_refused),
        cmocka_unit_test(headers_that_say_the_same_are_read),
        cmocka_unit_test(a_header_beyond_its_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
