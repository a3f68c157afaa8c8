# SPDX-License-Identifier: Apache-2.0
"""Speech that is not the audio it should be, or is so in an odd way.

Where it is `fine` it lasts as long as the right one: a test can compare with audio.speech_ms.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace

from vendors.answers import Answer
from vendors.audio import SPEECH_RATE, make_wav, speech_ms, tone
from vendors.exchange import Exchange
from vendors.fault import (
    SAMPLES,
    SPEECH,
    Case,
    Fault,
    case_of,
    changed,
    path_of,
    text_in,
    with_audio,
    with_member,
    with_text,
)

PCM: frozenset[Case] = frozenset({("openai", "tts"), ("google", "tts")})
WAV: frozenset[Case] = frozenset({("openai", "tts"), ("mistral", "tts")})  # OpenAI's: as local servers answer
BASE64: frozenset[Case] = frozenset({("google", "tts"), ("mistral", "tts")})
GEMINI: frozenset[Case] = frozenset({("google", "tts")})
L16 = f"audio/L16;codec=pcm;rate={SPEECH_RATE}"
OCTETS = "application/octet-stream"
HTML = b"\n<!DOCTYPE html>\n<html><body>Sign in to the network</body></html>"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"
TEXT = b"Internal Server Error: no such voice\n"
AIFF = b"FORM\0\0\0\x6cAIFFCOMM\0\0\0\x12" + bytes(92)
# Of 24 kHz and 64 kbit/s, or nearly as short as they may be: all that is looked at are their headers.
MP3_FRAMES = (b"\xff\xf3\x84\xc4" + bytes(188)) * 20
AAC_FRAMES = (b"\xff\xf9\x58\x40\x01\x9f\xfc" + bytes(5)) * 300
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
    def answer(ex: Exchange) -> Answer:
        if case_of(ex) in SAMPLES:
            return replace(ex.answer, content_type=mime)
        return with_member(ex.answer, (*path_of(ex)[:-1], "mimeType"), mime)

    return answer


def _answers(body: bytes, content_type: str | None) -> Callable[[Exchange], Answer]:
    return lambda ex: with_audio(ex, body, content_type)


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
    _fine("samples_rate_16000", _rate(16_000), PCM),
    _fine("samples_rate_48000", _rate(48_000), PCM),
    _unusable("samples_rate_zero", _typed("audio/L16;codec=pcm;rate=0"), PCM),
    _unusable("samples_rate_huge", _typed("audio/L16;codec=pcm;rate=99999999999999999999"), PCM),
    _fine("samples_without_rate", _typed("audio/L16"), PCM),
    _fine("samples_mono", _typed("audio/L16; Rate=24000; Channels=1"), PCM),
    _unusable("samples_stereo", _typed("audio/L16;rate=24000;channels=2"), PCM),
    _unusable("audio_type_mp3", _typed("audio/mpeg"), GEMINI),
    _unusable("audio_type_text", _typed("text/plain"), PCM),
    _unusable("audio_type_image", _typed("image/png"), PCM),
    _unusable("audio_type_video", _typed("video/mp4"), PCM),
    _fine("samples_as_mp3", _typed("audio/mpeg"), SAMPLES),  # as LiteLLM calls them
    _fine("samples_as_octets", _typed(OCTETS), SAMPLES),
    _fine("samples_as_binary", _typed("binary/octet-stream"), SAMPLES),
    _unusable("samples_too_long", lambda ex: with_audio(ex, bytes(2 * 700 * 8000), "audio/pcm;rate=8000"), SAMPLES),
    _unusable("image_as_image", _answers(PNG, "image/png"), SAMPLES),
    _unusable("html_without_type", _answers(HTML, None), SAMPLES),
    _unusable("html_as_octets", _answers(HTML, OCTETS), SAMPLES),
    _unusable("html_as_samples", _answers(HTML, L16), PCM),
    _unusable("json_cut_as_mp3", _answers(b' {"error": {"message": "no such', "audio/mpeg"), SAMPLES),
    _unusable("json_with_controls_as_octets", _answers(b'{"error": "\x1b[31mno such voice\x1b[0m"}', OCTETS), SAMPLES),
    _unusable("json_list_without_type", _answers(b'[{"type": "missing", "loc": ["body"]}]', None), SAMPLES),
    _unusable("text_without_type", _answers(TEXT, None), SAMPLES),
    _unusable("text_as_octets", _answers(TEXT, OCTETS), SAMPLES),
    _unusable("text_as_samples", _answers(TEXT, L16), PCM),
    _unusable("image_as_samples", _answers(PNG, L16), PCM),
    _unusable("jpeg_as_octets", _answers(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100), OCTETS), SAMPLES),
    _unusable("gzip_as_octets", _answers(gzip.compress(bytes(1000)), OCTETS), SAMPLES),
    _unusable("aiff_as_samples", _answers(AIFF, L16), PCM),
    _unusable("samples_as_mulaw", _typed("audio/basic"), SAMPLES),
    _unusable("samples_as_g711", _typed("audio/G711-alaw;rate=8000"), SAMPLES),
    _unusable("samples_as_l24", _typed("audio/L24;rate=24000"), SAMPLES),
    _unusable("samples_as_amr", _typed("audio/AMR-WB"), SAMPLES),
    _unusable("mp3_frames", _answers(MP3_FRAMES, "audio/mpeg"), SAMPLES),
    _unusable("mp3_frames_as_octets", _answers(MP3_FRAMES, OCTETS), SAMPLES),
    _unusable("mp3_frames_as_samples", _answers(MP3_FRAMES, L16), PCM),
    _unusable("aac_frames", _answers(AAC_FRAMES, "audio/aac"), SAMPLES),
    _unusable("mp4_as_samples", _answers(b"\0\0\0\x18ftypM4A \0\0\2\0" + bytes(100), L16), PCM),
    _unusable("ogg_as_samples", _answers(b"OggS\0\2" + bytes(100), L16), PCM),
    _unusable("flac_as_octets", _answers(b"fLaC\0\0\0\x22" + bytes(100), OCTETS), SAMPLES),
    _unusable("riff_as_wav", _answers(b"RIFF\x68\0\0\0AVI LIST" + bytes(92), "audio/wav"), SPEECH),
    _fine("wav_as_mp3", lambda ex: with_audio(ex, make_wav(_spoken(ex)), "audio/mpeg"), SAMPLES),
    _fine("wav_without_type", lambda ex: with_audio(ex, make_wav(_spoken(ex)), None), SAMPLES),
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
