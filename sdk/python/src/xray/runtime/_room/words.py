# SPDX-License-Identifier: Apache-2.0
"""How LiveKit's text streams with transcripts are marked."""

from __future__ import annotations

from typing import Final

__all__ = ["FINAL_ATTRIBUTE", "SEGMENT_ATTRIBUTE", "TOPIC"]

TOPIC: Final = "lk.transcription"
FINAL_ATTRIBUTE: Final = "lk.transcription_final"
SEGMENT_ATTRIBUTE: Final = "lk.segment_id"
