// SPDX-License-Identifier: Apache-2.0
#include "audio/net_weights.h"
#include "base/json.h"
#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a safetensors file is little-endian");

enum { LENGTH_BYTES = 8, HEADER_MAX = 4096, HEADER_DEPTH_MAX = 3, RANK_MAX = 3 };
/* The largest weight there is is 55; this one keeps every sum finite. */
#define WEIGHT_MAX 1000.0F

static const struct {
    const char *name;
    uint32_t rank, shape[RANK_MAX];
} TENSORS[XR_NET_TENSOR_COUNT] = {
    [XR_NET_STFT] = {"stft_conv.weight", 3, {258, 1, 256}},
    [XR_NET_CONV1_WEIGHT] = {"conv1.weight", 3, {128, 129, 3}},
    [XR_NET_CONV1_BIAS] = {"conv1.bias", 1, {128}},
    [XR_NET_CONV2_WEIGHT] = {"conv2.weight", 3, {64, 128, 3}},
    [XR_NET_CONV2_BIAS] = {"conv2.bias", 1, {64}},
    [XR_NET_CONV3_WEIGHT] = {"conv3.weight", 3, {64, 64, 3}},
    [XR_NET_CONV3_BIAS] = {"conv3.bias", 1, {64}},
    [XR_NET_CONV4_WEIGHT] = {"conv4.weight", 3, {128, 64, 3}},
    [XR_NET_CONV4_BIAS] = {"conv4.bias", 1, {128}},
    [XR_NET_LSTM_INPUT] = {"lstm_cell.weight_ih", 2, {512, 128}},
    [XR_NET_LSTM_HIDDEN] = {"lstm_cell.weight_hh", 2, {512, 128}},
    [XR_NET_LSTM_INPUT_BIAS] = {"lstm_cell.bias_ih", 1, {512}},
    [XR_NET_LSTM_HIDDEN_BIAS] = {"lstm_cell.bias_hh", 1, {512}},
    [XR_NET_OUT_WEIGHT] = {"final_conv.weight", 3, {1, 128, 1}},
    [XR_NET_OUT_BIAS] = {"final_conv.bias", 1, {1}},
};

size_t xr_net_tensor_size(enum xr_net_tensor tensor) {
    size_t size = 1;
    for (uint32_t i = 0; i < TENSORS[tensor].rank; i++)
        size *= TENSORS[tensor].shape[i];
    return size;
}

float xr_net_weight(const struct xr_net_weights *weights, enum xr_net_tensor tensor, size_t at) {
    float value;
    memcpy(&value, weights->data[tensor] + at * sizeof value, sizeof value);
    return value;
}

static size_t data_size(void) {
    size_t size = 0;
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++)
        size += xr_net_tensor_size((enum xr_net_tensor)i) * sizeof(float);
    return size;
}

static yyjson_val *member(yyjson_val *object, const char *name) {
    return xr_json_member(object, (struct xr_str){.ptr = name, .len = strlen(name)});
}

/* array is exactly these numbers. */
static bool numbers_are(yyjson_val *array, const uint64_t *wanted, size_t n) {
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        yyjson_val *value = yyjson_arr_get(array, i);
        if (!yyjson_is_uint(value) || yyjson_get_uint(value) != wanted[i])
            return false;
    }
    return true;
}

/* The header's entry describes the tensor, begin bytes behind the header. */
static enum xr_code check_entry(yyjson_val *header, enum xr_net_tensor tensor, size_t begin, struct xr_err *err) {
    const char *name = TENSORS[tensor].name;
    yyjson_val *entry = member(header, name);
    uint64_t shape[RANK_MAX], place[2] = {begin, begin + xr_net_tensor_size(tensor) * sizeof(float)};
    for (uint32_t i = 0; i < TENSORS[tensor].rank; i++)
        shape[i] = TENSORS[tensor].shape[i];
    if (!yyjson_is_obj(entry) || yyjson_obj_size(entry) != 3)
        return xr_fail(err, XR_CORRUPT, name, "the tensor is missing");
    if (!yyjson_equals_str(member(entry, "dtype"), "F32"))
        return xr_fail(err, XR_CORRUPT, name, "the numbers must be 32-bit floats");
    if (!numbers_are(member(entry, "shape"), shape, TENSORS[tensor].rank))
        return xr_fail(err, XR_CORRUPT, name, "the shape is another");
    if (!numbers_are(member(entry, "data_offsets"), place, 2))
        return xr_fail(err, XR_CORRUPT, name, "the tensor does not follow the one before it");
    return XR_OK;
}

static enum xr_code check_header(struct xr_str text, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    enum xr_code code = xr_json_parse(text, HEADER_DEPTH_MAX, &doc, err);
    if (code == XR_NO_MEMORY)
        return code;
    if (code != XR_OK)
        return xr_fail(err, XR_CORRUPT, NULL, "the header is no JSON");
    yyjson_val *header = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(header) || yyjson_obj_size(header) != XR_NET_TENSOR_COUNT)
        return xr_fail(err, XR_CORRUPT, NULL, "the header must name %d tensors", XR_NET_TENSOR_COUNT);
    size_t begin = 0;
    for (int i = 0; i < XR_NET_TENSOR_COUNT && code == XR_OK; i++) {
        code = check_entry(header, (enum xr_net_tensor)i, begin, err);
        begin += xr_net_tensor_size((enum xr_net_tensor)i) * sizeof(float);
    }
    return code;
}

static enum xr_code check_numbers(const struct xr_net_weights *weights, struct xr_err *err) {
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++) {
        enum xr_net_tensor tensor = (enum xr_net_tensor)i;
        for (size_t at = 0, size = xr_net_tensor_size(tensor); at < size; at++)
            if (!(fabsf(xr_net_weight(weights, tensor, at)) <= WEIGHT_MAX)) /* nor is NaN */
                return xr_fail(err, XR_CORRUPT, TENSORS[tensor].name, "number %zu is no weight", at);
    }
    return XR_OK;
}

enum xr_code xr_net_weights_read(const void *bytes, size_t size, struct xr_net_weights *ret_weights,
                                 struct xr_err *err) {
    const unsigned char *file = bytes;
    uint64_t header = 0;
    if (size < LENGTH_BYTES)
        return xr_fail(err, XR_CORRUPT, NULL, "the file ends in its length");
    memcpy(&header, file, sizeof header);
    if (header > HEADER_MAX || header > size - LENGTH_BYTES)
        return xr_fail(err, XR_CORRUPT, NULL, "the header is longer than the file or than %d bytes", HEADER_MAX);
    enum xr_code code = check_header((struct xr_str){.ptr = (const char *)file + LENGTH_BYTES, .len = header}, err);
    if (code != XR_OK)
        return code;
    if (size - LENGTH_BYTES - header != data_size())
        return xr_fail(err, XR_CORRUPT, NULL, "behind the header there must be %zu bytes", data_size());
    struct xr_net_weights weights;
    const unsigned char *at = file + LENGTH_BYTES + header;
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++) {
        weights.data[i] = at;
        at += xr_net_tensor_size((enum xr_net_tensor)i) * sizeof(float);
    }
    code = check_numbers(&weights, err);
    if (code == XR_OK)
        *ret_weights = weights;
    return code;
}
