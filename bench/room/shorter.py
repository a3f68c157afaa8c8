# SPDX-License-Identifier: Apache-2.0
"""What must hold of a call whatever else the machine does. Pure.

A jitter buffer on a busy machine stretches, shortens and fills in sound, for every listener alike; that is no fault of
the recording, and now and then it costs a tenth of a second of somebody. So this asks whether the driver recorded what
it gave and what it was given, to the sample, whether all is there, in order, and whether the report says of the
recording what is in it. The edges of a clip must be there where the observer heard all of it: then the network was on
time. Of each side one clip a call may be spoilt for all that, by its one listener's jitter buffer; but never the head
of the first, which is what a driver loses that speaks before anybody listens. The figures are the whole benchmark's, on
a machine that does nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from clips import Trace
from clocks import Figures
from report import GRAIN_MS, recording_ear, reported_recording

# Of what a receiver may invent or leave out, by its jitter buffer, when packets come late.
_NETWORK_MS = 150
_REPORT_MS = 30
_PLACE_MS = 60
_WAIT_MS = 3000
_EDGE_MS = 10
_LATE_EDGE_MS = 60
_FORGIVEN = 1


def failings(calls: Sequence[Figures]) -> list[str]:
    out: list[str] = []
    for call in calls:
        out += [f"{call.name}: {what}" for what in _of(call)]
    return out if calls else ["nothing was measured"]


def _of(call: Figures) -> list[str]:
    out: list[str] = []
    out += _spoilt("what the agent heard", call.agent_heard, call.user_observed)
    out += _spoilt("the agent's side", call.agent_recorded, call.agent_observed)
    places = [off for _, off in (*call.user_places, *call.agent_places)]
    if not places or max(map(abs, places)) > _PLACE_MS:
        out.append(f"places in the recording are off by {places} ms")
    if call.user_samples_wrong:
        out.append(f"{call.user_samples_wrong} samples of the user's are recorded otherwise than played")
    if call.agent_samples_wrong:
        out.append(f"{call.agent_samples_wrong} samples of the agent's are recorded otherwise than received")
    if call.out_of_order:
        out.append("clips are out of order")
    out += [f"barge-in {i} is not flagged" for i, flag in enumerate(call.interrupted) if not flag]
    if call.transcripts_wrong:
        out.append(f"{call.transcripts_wrong} transcripts are wrong")
    for gap in call.gaps:
        where = f"{gap.kind} at {gap.at_s:.1f} s"
        if abs(reported_recording(gap)) > (gap.uncertainty or 0) + _REPORT_MS:
            out.append(f"{where}: reported {gap.reported}, in the recording {gap.by_definition}")
        if abs(recording_ear(gap)) > _NETWORK_MS:
            out.append(f"{where}: in the recording {gap.recording}, by ear {gap.ear}")
    if not any(gap.kind == "answer" for gap in call.gaps):
        out.append("no answer was measured")
    late = [wait for wait in call.waits if wait > _WAIT_MS]
    if late:
        out.append(f"the next turn came {late} ms after the answer")
    return out


def _spoilt(what: str, traces: Sequence[Trace | None], observed: Sequence[Trace | None]) -> list[str]:
    if not traces:
        return [f"{what}: nothing was measured"]
    edges = [_EDGE_MS if _on_time(t) else _LATE_EDGE_MS for t in observed]
    spoilt = [
        f"{what}, clip {i}: {_words(t)}"
        for i, (t, edge) in enumerate(zip(traces, edges, strict=True))
        if not _whole(t, edge)
    ]
    first = traces[0]
    unforgiven = None in traces or (first is not None and first.lost_head_ms > edges[0])
    return spoilt if unforgiven or len(spoilt) > _FORGIVEN else []


def _on_time(observed: Trace | None) -> bool:
    return observed is not None and observed.lost_ms == 0 and abs(observed.stretched_ms) <= GRAIN_MS


def _whole(trace: Trace | None, edge_ms: int) -> bool:
    if trace is None:
        return False
    edges = max(trace.lost_head_ms, trace.lost_tail_ms)
    return edges <= edge_ms and trace.lost_inside_ms <= _NETWORK_MS and abs(trace.stretched_ms) <= _NETWORK_MS


def _words(trace: Trace | None) -> str:
    if trace is None:
        return "is not there"
    return (
        f"lacks {trace.lost_head_ms} ms at its start, {trace.lost_inside_ms} inside, {trace.lost_tail_ms} at its end; "
        f"is {trace.stretched_ms:+.1f} ms longer"
    )
