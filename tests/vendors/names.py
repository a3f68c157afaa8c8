# SPDX-License-Identifier: Apache-2.0
"""What the vendors and stages are called, here and in xrayd's environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Vendor = Literal["openai", "google", "mistral"]
Stage = Literal["tts", "transcription", "judge"]

VENDORS: tuple[Vendor, ...] = ("openai", "google", "mistral")
STAGES: tuple[Stage, ...] = ("tts", "transcription", "judge")

VERSIONS: Mapping[Vendor, str] = {"openai": "/v1", "google": "/v1beta", "mistral": "/v1"}

KEYS: Mapping[Vendor, str] = {
    "openai": "sk-fake-openai-0123456789",
    "google": "AIzaFakeGoogle0123456789",
    "mistral": "fakeMistral0123456789abcdef",
}

VARIABLES: Mapping[Vendor, str] = {"openai": "OPENAI", "google": "GOOGLE", "mistral": "MISTRAL"}

PROVIDERS: Mapping[tuple[Stage, Vendor], str] = {
    ("tts", "openai"): "openai",
    ("tts", "google"): "google-gemini",
    ("tts", "mistral"): "mistral",
    ("transcription", "openai"): "openai-whisper",
    ("transcription", "google"): "google-gemini",
    ("transcription", "mistral"): "mistral-voxtral",
    ("judge", "openai"): "openai",
    ("judge", "google"): "google-gemini",
    ("judge", "mistral"): "mistral",
}

# The model and, for speech, the voice that xrayd uses unless told otherwise.
MODELS: Mapping[tuple[Stage, Vendor], str] = {
    ("tts", "openai"): "gpt-4o-mini-tts",
    ("tts", "google"): "gemini-2.5-flash-preview-tts",
    ("tts", "mistral"): "voxtral-mini-tts-2603",
    ("transcription", "openai"): "whisper-1",
    ("transcription", "google"): "gemini-2.5-flash",
    ("transcription", "mistral"): "voxtral-mini-2602",
    ("judge", "openai"): "gpt-4o-2024-08-06",
    ("judge", "google"): "gemini-3.5-flash",
    ("judge", "mistral"): "mistral-medium-2604",
}
VOICES: Mapping[Vendor, str] = {"openai": "alloy", "google": "Kore", "mistral": "en_paul_neutral"}
