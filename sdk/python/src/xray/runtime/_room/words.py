# SPDX-License-Identifier: Apache-2.0
"""The agent's transcripts, as they come: text streams of the topic `lk.transcription`, or the older packets. Both name
the segment they are of; what is said of one segment replaces what was said of it before.

Newer agents send both, and name one segment differently in each. So in a turn in which a stream has come packets do not
count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FINAL_ATTRIBUTE", "SEGMENT_ATTRIBUTE", "TOPIC", "Words"]

TOPIC: Final = "lk.transcription"
FINAL_ATTRIBUTE: Final = "lk.transcription_final"
SEGMENT_ATTRIBUTE: Final = "lk.segment_id"


@dataclass
class _Segment:
    text: str
    final: bool
    packet: bool


class Words:
    """What the agent said, by segment in the order of their first words. `take` ends a turn."""

    def __init__(self) -> None:
        self._open: dict[str, _Segment] = {}
        self._taken: set[str] = set()
        self._streams = False

    def heard(self, segment: str, text: str, *, final: bool, packet: bool = False) -> None:
        """The segment's text so far. What comes of a segment after `take` is left out: its turn is over."""
        if segment in self._taken:
            return
        if packet and self._streams:
            self._taken.add(segment)
            return
        if not packet and not self._streams:
            self._streams = True
            self._drop_packets()
        known = self._open.get(segment)
        if known is None:
            self._open[segment] = _Segment(text, final, packet)
        elif not known.final or final:
            known.text, known.final = text, final

    @property
    def final(self) -> bool:
        """Whether there are words since the last `take`, and all of them are final."""
        return bool(self._open) and all(segment.final for segment in self._open.values())

    def take(self) -> str:
        """The words since the last `take`."""
        text = " ".join(s.text.strip() for s in self._open.values() if s.text.strip())
        self._taken.update(self._open)
        self._open.clear()
        self._streams = False
        return text

    def _drop_packets(self) -> None:
        packets = [name for name, known in self._open.items() if known.packet]
        self._taken.update(packets)
        for name in packets:
            del self._open[name]
