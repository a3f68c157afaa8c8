// SPDX-License-Identifier: Apache-2.0
/* providers/sniff.h - what bytes that should be audio are, by how they begin: hosts answer whatever they please, under
 * whatever type. For the files of this folder only. Pure; any thread. */
#pragma once
#include "base/str.h"

/* The name of what would be noise if it were played as samples ("MP3", "JSON", "text"); NULL: it may be samples or a
 * WAV.
 *
 * Samples may begin like anything, and nothing but noise may be taken for something else. So the names that files begin
 * with are believed, of three bytes and more; text is believed where nothing in its beginning is no text (as far as it
 * is no JSON, HTML or XML, only ASCII, and of 16 bytes at least); and frames of MP3 or AAC are believed where a second
 * one follows at the distance that the first tells, with the same parameters. That is all there is to go by: gateways
 * (LiteLLM) call samples audio/mpeg. */
const char *xr_sniff(struct xr_str bytes);
