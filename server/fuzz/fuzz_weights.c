// SPDX-License-Identifier: Apache-2.0
/* audio/net_weights: the input is the file's beginning; so many zeros follow as the numbers of a right file take. What
 * is read lies inside the file. */
#include "audio/net_weights.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16384 };

static void check(int holds) {
    if (!holds)
        abort();
}

static void use(const struct xr_net_weights *weights, const uint8_t *file, const uint8_t *end) {
    const unsigned char *at = weights->data[0];
    check(at >= file);
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++) {
        size_t n = xr_net_tensor_size((enum xr_net_tensor)i);
        float first = xr_net_weight(weights, (enum xr_net_tensor)i, 0);
        check(weights->data[i] == at && first - first == 0);
        at += n * sizeof(float);
    }
    check(at == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t *room; /* the input ends where the zeros begin; they end where the allocation does */
    struct xr_net_weights weights;
    size_t zeros = 0;
    for (int i = 0; i < XR_NET_TENSOR_COUNT; i++)
        zeros += xr_net_tensor_size((enum xr_net_tensor)i) * sizeof(float);
    if (!room)
        room = calloc(1, INPUT_MAX + zeros);
    if (!room || size > INPUT_MAX)
        return 0;
    if (xr_net_weights_read(data, size, &weights, NULL) == XR_OK)
        use(&weights, data, data + size);
    uint8_t *file = room + INPUT_MAX - size;
    if (size > 0)
        memcpy(file, data, size);
    if (xr_net_weights_read(file, size + zeros, &weights, NULL) == XR_OK)
        use(&weights, file, room + INPUT_MAX + zeros);
    return 0;
}
