// SPDX-License-Identifier: Apache-2.0
/* audio/say_test.h - real words for tests, spoken by flite: what the network takes for speech. Tests only; one thread.
 */
#pragma once
#include <stddef.h>

enum say_voice { SAY_SLT, SAY_KAL16, SAY_RMS, SAY_AWB, SAY_VOICE_COUNT };

/* The words at 48 kHz, in LSB, without what lies below 20 Hz; kept until the process ends. The same in every run. */
const float *say_words(enum say_voice voice, const char *text, size_t *ret_n);
