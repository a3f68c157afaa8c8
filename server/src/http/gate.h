// SPDX-License-Identifier: Apache-2.0
/* http/gate.h - one change of a replay at a time. An upload swaps the recording's file before its row is written; the
 * gate keeps every other change of that replay out between the two, so that file and row always belong together. No
 * memory of its own: a pass lives in its request, so there are never more than connections. Any thread. */
#pragma once
#include "base/uuid.h"
#include <stdbool.h>

struct xr_gate;
struct xr_gate *xr_gate_new(void); /* NULL when out of memory */
void xr_gate_free(struct xr_gate *gate); /* nobody may be inside; NULL is fine */

/* The caller fills `replay` and `enter`, and keeps the pass alive until it has left. */
struct xr_gate_pass {
    struct xr_uuid replay;
    /* Called once if entering had to wait: on the thread of whoever left, under no lock. Must not block. */
    void (*enter)(struct xr_gate_pass *pass);
    struct xr_gate_pass *next; /* the gate's: same bucket */
    struct xr_gate_pass *waiting; /* the gate's: the queue behind this pass */
};
/* True: the caller is inside now, and enter will not be called. False: it waits its turn, first come first served. */
bool xr_gate_enter(struct xr_gate *gate, struct xr_gate_pass *pass);
/* Once by whoever is inside; lets the next one in. The pass may be gone after. */
void xr_gate_leave(struct xr_gate *gate, struct xr_gate_pass *pass);
