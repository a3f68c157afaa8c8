# SPDX-License-Identifier: Apache-2.0
"""The agent's words, as they come. They name the segment that they are of; what is said of one segment replaces what
was said of it before.

In a room they come as text streams or, of older agents, as packets. Newer agents send both, and name one segment
differently in each. So in a turn in which a stream has come packets do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Words"]


@dataclass
class _Segment:
    text: str
    final: bool
    packet: bool


class Words:
    """What the agent said, by segment in the order of their first words. `take` and `drop` end a turn."""

    def __init__(self) -> None:
        self._open: dict[str, _Segment] = {}
        self._taken: set[str] = set()
        self._streams = False

    def heard(self, segment: str, text: str, *, final: bool, packet: bool = False) -> None:
        """The segment's text so far. What comes of a segment after its turn is over is left out."""
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
        """Whether there are words of this turn, and all of them are final."""
        return bool(self._open) and all(segment.final for segment in self._open.values())

    def take(self) -> str:
        """The words of this turn, which is over."""
        text = " ".join(s.text.strip() for s in self._open.values() if s.text.strip())
        self._end(list(self._open))
        self._streams = False
        return text

    def drop(self, *, speaking: bool) -> None:
        """Leaves out what was said until now. Of an agent that is still `speaking` the last segment stays."""
        names = list(self._open)
        self._end(names[:-1] if speaking else names)

    def _drop_packets(self) -> None:
        self._end([name for name, known in self._open.items() if known.packet])

    def _end(self, segments: list[str]) -> None:
        self._taken.update(segments)
        for name in segments:
            del self._open[name]
