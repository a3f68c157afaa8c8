# SPDX-License-Identifier: Apache-2.0
"""The span of a turn, as a runtime saw it."""

from __future__ import annotations

from opentelemetry import trace

from xray._attributes import TURN_IDX, TURN_KEY, TURN_ROLE, TURN_SPAN, TURN_TRANSCRIPT
from xray._clock import NS_PER_S, ns_of_samples
from xray._recorder import Recorder
from xray.conversation import Turn

__all__ = ["emit_turn_span"]


def emit_turn_span(
    tracer: trace.Tracer, recorder: Recorder, idx: int, turn: Turn, *, start: int, end: int, transcript: str
) -> None:
    """Emits the span `xray.turn` of turn `idx`, which lasted from sample `start` to sample `end` of the recording.

    Its times are the recording's, so that it lies where the turn is heard. The replay comes from the baggage.
    """
    attributes: dict[str, str | int] = {TURN_IDX: idx, TURN_ROLE: str(turn.role), TURN_TRANSCRIPT: transcript}
    if turn.key is not None:
        attributes[TURN_KEY] = turn.key
    origin_ns = round(recorder.started_at_epoch * NS_PER_S)
    span = tracer.start_span(TURN_SPAN, start_time=origin_ns + ns_of_samples(start), attributes=attributes)
    span.end(origin_ns + ns_of_samples(max(start, end)))
