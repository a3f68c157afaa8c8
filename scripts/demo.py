# SPDX-License-Identifier: Apache-2.0
"""One conversation with two agents at once, in real time: one that does its job, and one that must fail.

Starts xrayd on a temporary volume with the built-in providers: no key, no network. What a user of xray would write is
`CONVERSATION`, an agent, and `xray.run` in `test`; the agents here are scripted and speak lines that the server made.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from opentelemetry import trace

from xrayd_process import ROOT, Xrayd

sys.path.append(str(ROOT / "sdk" / "python" / "src"))  # what `pip install xray-py` would do

import xray
from xray.runtime.base import RunProgress
from xray.runtime.local import Agent, LocalCall, LocalRuntime

CONVERSATION = xray.Conversation(
    "Book a table",
    [
        xray.Turn.user("Hello, I would like to book a table for two people."),
        xray.Turn.agent(assertions=[xray.Assertion.contains("table"), xray.Assertion.max_latency_ms(1500)]),
        xray.Turn.user("For Friday evening at seven o'clock, please."),
        xray.Turn.agent(
            assertions=[
                xray.Assertion.regex(r"\b(friday|saturday)\b", flags="i"),
                xray.Assertion.not_contains("sorry"),
                xray.Assertion.tool_called("book_table"),
                xray.Assertion.tool_args_match("book_table", {"people": 2, "day": "Friday"}),
                xray.Assertion.tool_not_called("cancel_booking"),
            ]
        ),
        xray.Turn.user("Thank you very much. Goodbye."),
        xray.Turn.agent(assertions=[xray.Assertion.contains("goodbye"), xray.Assertion.max_latency_ms(1500)]),
    ],
    judges=[xray.Judge.text_match("A table for two is booked for Friday at 7.")],
)


async def test(agent: Agent, xray_url: str, progress: Callable[[RunProgress], None]) -> xray.ReplayResult:
    return await xray.run(
        conversation=CONVERSATION,
        runtime=LocalRuntime(agent),
        xray_url=xray_url,
        run_config=xray.RunConfig(model="demo"),
        progress=progress,
    )


# The agents.

GREETING = "Good morning. For which day would you like to book the table?"
GOOD_LINES = [GREETING, "Your table for two is booked for Friday at seven o'clock.", "Thank you for calling. Goodbye."]
BAD_LINES = [GREETING, "I am sorry, we are closed.", "Goodbye."]
Voice = Mapping[str, bytes]
"""Lines, and how they sound."""


def good_agent(voice: Voice) -> Agent:
    async def agent(call: LocalCall) -> None:
        for line in GOOD_LINES:
            await call.listen()
            if "booked" in line:
                await book_table(people=2, day="Friday")
            await call.say(voice[line], transcript=line)

    return agent


def bad_agent(voice: Voice) -> Agent:
    async def agent(call: LocalCall) -> None:
        for line in BAD_LINES:
            await call.listen()
            await asyncio.sleep(1.5)
            await call.say(voice[line], transcript=line)

    return agent


async def book_table(**arguments: object) -> None:
    """A tool. Its span is what OpenTelemetry's conventions say; an instrumented agent emits such by itself."""
    with trace.get_tracer("demo").start_as_current_span("execute_tool book_table") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", "book_table")
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps(arguments))
        await asyncio.sleep(0.05)
        span.set_attribute("gen_ai.tool.call.result", json.dumps({"booked": True}))


async def speak(client: httpx.AsyncClient, lines: list[str]) -> Voice:
    """The lines as 48 kHz mono samples, spoken by the server: they are a conversation's user turns to it."""
    distinct = list(dict.fromkeys(lines))
    turns = [{"role": "user", "text": line, "audio": {"kind": "tts", "voice_id": "rms"}} for line in distinct]
    spec = json.dumps({"name": "Demo: the agents' lines", "turns": turns})
    # `files` with no file name makes httpx send the part as a plain field of a multipart form.
    row = checked(await client.post("/v1/conversations", files={"spec": (None, spec)})).json()
    header = 44
    audio = [
        checked(await client.get(f"/v1/conversations/{row['hash']}/turns/{i}/audio")).content[header:]
        for i in range(len(distinct))
    ]
    return dict(zip(distinct, audio, strict=True))


def checked(reply: httpx.Response) -> httpx.Response:
    if reply.is_error:
        raise SystemExit(f"demo: {reply.request.method} {reply.request.url.path}: {reply.status_code} {reply.text}")
    return reply


# What is shown.


class Progress:
    """What both runs are at, on one line of the terminal, and how long their calls took."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def of(self, name: str) -> Callable[[RunProgress], None]:
        def report(event: RunProgress) -> None:
            if event.stage == "turn":
                self._begun.setdefault(name, time.monotonic())
            elif event.stage == "uploading":
                self._ended[name] = time.monotonic()
            self._show(name, event)

        return report

    def _show(self, name: str, event: RunProgress) -> None:
        turn = "" if event.turn_idx is None else f" {event.turn_idx + 1}/{event.turn_count} ({event.role})"
        percent = "" if event.percent is None else f" {event.percent} %"
        self._states[name] = event.stage + turn + percent
        if sys.stdout.isatty():
            text = "   ".join(f"{n} agent: {state:<18}" for n, state in self._states.items())
            print(f"\r  {text}\x1b[K", end="", flush=True)

    def finish(self) -> None:
        if sys.stdout.isatty():
            print("\r\x1b[K", end="")
        calls = " and ".join(f"{self._ended[name] - self._begun[name]:.1f} s" for name in self._ended)
        after = time.monotonic() - max(self._ended.values())
        print(f"Calls of {calls}; both verdicts {after:.1f} s after the longer one.\n")


async def show(client: httpx.AsyncClient, result: xray.ReplayResult) -> None:
    detail = checked(await client.get(f"/v1/replays/{result.replay_id}")).json()
    texts = {row["turn_idx"]: row["text"] for row in detail["transcripts"]}
    response = {row["turn_idx"]: row["agent_response_ms"] for row in detail["turn_metrics"]}
    timeline: list[tuple[int, str, str]] = []
    for turn in detail["turns"]:
        waited = response.get(turn["idx"])
        note = f"  (answered in {waited} ms)" if waited is not None else ""
        timeline.append((turn["voice_start_ms"], turn["role"], texts.get(turn["idx"], "") + note))
    for call in detail["tool_calls"]:
        timeline.append((call["audio_offset_ms"], "tool", f"{call['name']} {call['args_json']}"))
    for at_ms, who, what in sorted(timeline):
        print(f"  {at_ms / 1000:6.2f} s  {who:<5}  {what}")
    print(f"\n  {'turn':<6}{'check':<18}{'status':<9}reason")
    for row in result.assertions:
        print(f"  {row.turn_idx:<6}{row.kind:<18}{row.status:<9}{row.message or ''}")
    for row in result.judges:
        score = f"score {row.score}: " if row.score is not None else ""
        print(f"  {'all':<6}{'judge ' + row.kind:<18}{row.status:<9}{score}{row.reason or ''}")
    print(f"\n  verdict: {'PASSED' if result.passed else 'FAILED'}\n")


# The two runs.


@dataclass(frozen=True)
class Verdicts:
    good: xray.ReplayResult
    bad: xray.ReplayResult

    def are_as_expected(self) -> bool:
        failed = {row.kind for row in self.bad.assertions if row.status == "failed"}
        wanted = {"max_latency_ms", "not_contains", "regex", "tool_called", "tool_args_match"}
        return self.good.passed and not self.bad.passed and wanted <= failed


async def demo(url: str) -> Verdicts:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        print("Speaking the agents' lines ...")
        voice = await speak(client, GOOD_LINES + BAD_LINES)
        print("Calling both agents, in real time ...")
        progress = Progress()
        good, bad = await asyncio.gather(
            test(good_agent(voice), url, progress.of("good")), test(bad_agent(voice), url, progress.of("bad"))
        )
        progress.finish()
        print("1. An agent that does its job\n")
        await show(client, good)
        print("2. The same conversation, an agent that is slow and books nothing\n")
        await show(client, bad)
    return Verdicts(good, bad)


def main() -> None:
    volume = ROOT / "build" / "demo"
    shutil.rmtree(volume, ignore_errors=True)
    with Xrayd(volume, env={"XRAY_JUDGE_PROVIDER": "lexical"}) as server:
        print(f"xrayd listens on {server.url}\n")
        verdicts = asyncio.run(demo(server.url))
    if not verdicts.are_as_expected():
        raise SystemExit("demo: the verdicts are not what they should be")
    tell_where(volume, verdicts.good.replay_id)


def tell_where(volume: Path, replay: str) -> None:
    command = f"XRAY_JUDGE_PROVIDER=lexical XRAY_DATA_DIR={os.path.relpath(volume)} "
    print(f"That server has stopped. To keep one running on the same volume:\n\n  {command}PORT=8080 ", end="")
    print(os.path.relpath(ROOT / "build" / "xrayd"))
    print("\nThen look at http://127.0.0.1:8080/docs, or at the first replay:\n")
    print(f"  http://127.0.0.1:8080/v1/replays/{replay}/result")


if __name__ == "__main__":
    main()
