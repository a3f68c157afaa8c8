# SPDX-License-Identifier: Apache-2.0
"""Speech that is not the audio it should be, or is so in an odd way.

Where it is `fine` it lasts as long as the right one: a test can compare with audio.speech_ms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vendors.answers import Answer
from vendors.audio import SPEECH_RATE, make_wav, speech_ms, tone
from vendors.exchange import Exchange
from vendors.fault import SPEECH, Case, Fault, changed, path_of, text_in, with_audio, with_member, with_text

PCM: frozenset[Case] = frozenset({("openai", "tts"), ("google", "tts")})
WAV: frozenset[Case] = frozenset({("openai", "tts"), ("mistral", "tts")})  # OpenAI's: as local servers answer
BASE64: frozenset[Case] = frozenset({("google", "tts"), ("mistral", "tts")})
GEMINI: frozenset[Case] = frozenset({("google", "tts")})
L16 = f"audio/L16;codec=pcm;rate={SPEECH_RATE}"
_DATA_SIZE_AT = 40
_RATE_AT = 24


def _spoken(ex: Exchange, rate: int = SPEECH_RATE) -> bytes:
    return tone(speech_ms(ex.call.text), rate)


def _wav(make: Callable[[bytes], bytes], rate: int = SPEECH_RATE) -> Callable[[Exchange], Answer]:
    return lambda ex: with_audio(ex, make(_spoken(ex, rate)), "audio/wav")


def _patched(at: int, value: int) -> Callable[[bytes], bytes]:
    """A WAV whose header says something else there."""

    def make(samples: bytes) -> bytes:
        wav = bytearray(make_wav(samples))
        struct.pack_into("<I", wav, at, value)
        return bytes(wav)

    return make


def _listed(samples: bytes) -> bytes:
    """With a chunk of notes before the data, as ffmpeg writes it."""
    wav = make_wav(samples)
    notes = struct.pack("<4sI4s4sI6s", b"LIST", 18, b"INFO", b"ISFT", 6, b"Lavf60")
    body = wav[8:36] + notes + wav[36:]
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _float(samples: bytes) -> bytes:
    wav = bytearray(make_wav(samples + samples, bits=32))
    struct.pack_into("<H", wav, 20, 3)
    return bytes(wav)


def _rate(rate: int) -> Callable[[Exchange], Answer]:
    return lambda ex: with_audio(ex, _spoken(ex, rate), f"audio/L16;codec=pcm;rate={rate}")


def _typed(mime: str | None) -> Callable[[Exchange], Answer]:
    return lambda ex: with_member(ex.answer, (*path_of(ex)[:-1], "mimeType"), mime)


def _fine(name: str, answer: Callable[[Exchange], Answer], cases: frozenset[Case]) -> Fault:
    return Fault(name, "fine", changed(answer), cases)


def _unusable(name: str, answer: Callable[[Exchange], Answer], cases: frozenset[Case]) -> Fault:
    return Fault(name, "unusable", changed(answer), cases)


FAULTS_AUDIO = [
    _unusable("audio_empty", lambda ex: with_audio(ex, b"", L16), SPEECH),
    _unusable("audio_one_byte", lambda ex: with_audio(ex, b"\1", L16), SPEECH),
    _unusable(
        "audio_mp3", lambda ex: with_audio(ex, b"ID3\4\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 500, "audio/mpeg"), SPEECH
    ),
    _fine("samples_odd", lambda ex: with_audio(ex, _spoken(ex) + b"\1", L16), PCM),
    _fine("samples_rate_16000", _rate(16_000), GEMINI),
    _fine("samples_rate_48000", _rate(48_000), GEMINI),
    _unusable("samples_rate_zero", _typed("audio/L16;codec=pcm;rate=0"), GEMINI),
    _unusable("samples_rate_huge", _typed("audio/L16;codec=pcm;rate=99999999999999999999"), GEMINI),
    _fine("samples_without_rate", _typed("audio/L16"), GEMINI),
    _unusable("audio_type_mp3", _typed("audio/mpeg"), GEMINI),
    _unusable("audio_type_text", _typed("text/plain"), GEMINI),
    _fine("wav_rate_8000", _wav(lambda s: make_wav(s, 8_000), 8_000), WAV),
    _fine("wav_rate_44100", _wav(lambda s: make_wav(s, 44_100), 44_100), WAV),
    _fine("wav_with_notes", _wav(_listed), WAV),
    _fine("wav_endless_size", _wav(_patched(_DATA_SIZE_AT, 0xFFFFFFFF)), WAV),
    _fine("wav_truncated", _wav(lambda s: make_wav(s + s)[: 44 + len(s)]), WAV),
    _unusable("wav_stereo", _wav(lambda s: make_wav(s + s, channels=2)), WAV),
    _unusable("wav_8_bit", _wav(lambda s: make_wav(s[::2], bits=8)), WAV),
    _unusable("wav_float", _wav(_float), WAV),
    _unusable("wav_rate_zero", _wav(_patched(_RATE_AT, 0)), WAV),
    _unusable("wav_rate_huge", _wav(_patched(_RATE_AT, 0xFFFFFFFF)), WAV),
    _unusable("wav_no_samples", _wav(lambda _: make_wav(b"")), WAV),
    _unusable("wav_no_data_chunk", _wav(lambda _: make_wav(b"")[:36]), WAV),
    _unusable("wav_header_cut", _wav(lambda s: make_wav(s)[:20]), WAV),
    _unusable("samples_for_wav", lambda ex: with_audio(ex, _spoken(ex), L16), frozenset({("mistral", "tts")})),
    _unusable("base64_invalid", lambda ex: with_text(ex, "!" + text_in(ex)[1:]), BASE64),
    _unusable("base64_cut", lambda ex: with_text(ex, text_in(ex)[:101]), BASE64),
    _unusable("base64_padded_early", lambda ex: with_text(ex, "AAA=" + text_in(ex)), BASE64),
]
