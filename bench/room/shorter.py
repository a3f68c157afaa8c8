# SPDX-License-Identifier: Apache-2.0
"""What must hold of a call whatever else the machine does. Pure.

A jitter buffer on a busy machine stretches, shortens and fills in sound, for every listener alike; that is no fault of
the recording, and now and then it costs a tenth of a second of somebody. So this asks whether the driver recorded what
it gave and what it was given, to the sample, whether all is there, in order, and whether the report says of the
recording what is in it; of each side it forgives one clip a call that is spoilt. The figures are the whole benchmark's,
on a machine that does nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from clips import Trace
from clocks import Figures
from report import recording_ear, reported_recording

# Of what a receiver may invent or leave out, by its jitter buffer, when packets come late.
_NETWORK_MS = 150
_REPORT_MS = 30
_PLACE_MS = 60
_WAIT_MS = 3000
_EDGE_MS = 60
_FORGIVEN = 1


def failings(calls: Sequence[Figures]) -> list[str]:
    out: list[str] = []
    for call in calls:
        out += [f"{call.name}: {what}" for what in _of(call)]
    return out if calls else ["nothing was measured"]


def _of(call: Figures) -> list[str]:
    out: list[str] = []
    for what, traces in (("what the agent heard", call.agent_heard), ("the agent's side", call.agent_recorded)):
        if not traces:
            out.append(f"{what}: nothing was measured")
        spoilt = [f"{what}, clip {i}: {_words(t)}" for i, t in enumerate(traces) if not _whole(t)]
        if len(spoilt) > _FORGIVEN or None in traces:
            out += spoilt
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


def _whole(trace: Trace | None) -> bool:
    if trace is None:
        return False
    edges = max(trace.lost_head_ms, trace.lost_tail_ms)
    return edges <= _EDGE_MS and trace.lost_inside_ms <= _NETWORK_MS and abs(trace.stretched_ms) <= _NETWORK_MS


def _words(trace: Trace | None) -> str:
    if trace is None:
        return "is not there"
    return (
        f"lacks {trace.lost_head_ms} ms at its start, {trace.lost_inside_ms} inside, {trace.lost_tail_ms} at its end; "
        f"is {trace.stretched_ms:+.1f} ms longer"
    )
