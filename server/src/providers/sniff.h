// SPDX-License-Identifier: Apache-2.0
/* providers/sniff.h - what bytes that should be audio are, by how they begin: hosts answer whatever they please, under
 * whatever type. For the files of this folder only. Pure; any thread. */
#pragma once
#include "base/str.h"

/* The name of what would be noise if it were played as samples ("MP3", "JSON"); NULL: it may be samples or a WAV.
 *
 * Samples may begin like anything, and nothing but noise may be taken for something else. So names of four letters are
 * believed; text is believed where nothing in its beginning is no text; and frames of MP3 or AAC are believed where a
 * second one follows at the distance that the first tells, with the same parameters. That is all there is to go by:
 * gateways (LiteLLM) call samples audio/mpeg. */
const char *xr_sniff(struct xr_str bytes);
