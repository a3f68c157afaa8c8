# SPDX-License-Identifier: Apache-2.0
"""Runs one conversation end to end on the built-in providers, and a second one that must fail.

Starts xrayd on a temporary volume, lets it speak both sides (the agent's lines too, in another voice: this demo has no
agent of its own), lays the turns on a stereo recording as a call would, uploads it, follows the events, prints the
verdict.
"""

from __future__ import annotations

import array
import io
import json
import os
import shutil
import sys
import time
import wave
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

from xrayd_process import ROOT, Xrayd

RATE = 48_000
EDGE = 300  # of 32767
TALK: list[tuple[str, str]] = [
    ("user", "Hello, I would like to book a table for two people."),
    ("agent", "Good morning. For which day would you like to book the table?"),
    ("user", "For Friday evening at seven o'clock, please."),
    ("agent", "Your table for two is booked for Friday at seven o'clock."),
    ("user", "Thank you very much. Goodbye."),
    ("agent", "Thank you for calling. Goodbye."),
]
CHECKS: dict[int, list[dict[str, Any]]] = {
    1: [{"kind": "contains", "text": "table"}, {"kind": "max_latency_ms", "max_ms": 1500}],
    3: [
        {"kind": "regex", "pattern": r"\b(friday|saturday)\b", "flags": "i"},
        {"kind": "not_contains", "text": "sorry"},
        {"kind": "tool_not_called", "name": "cancel_booking"},
    ],
    5: [{"kind": "contains", "text": "goodbye"}, {"kind": "max_latency_ms", "max_ms": 1500}],
}
REFERENCE = "A table for two is booked for Friday at 7."


def spoken(client: httpx.Client, name: str, lines: list[str], voice: str) -> list[array.array[int]]:
    """The lines as 48 kHz mono samples, spoken by the server."""
    turns = [{"role": "user", "text": line, "audio": {"kind": "tts", "voice_id": voice}} for line in lines]
    row = upsert(client, {"name": name, "turns": turns})
    return [turn_audio(client, row["hash"], i) for i in range(len(lines))]


def upsert(client: httpx.Client, spec: dict[str, Any]) -> dict[str, Any]:
    # `files` with no file name makes httpx send the part as a plain field of a multipart form.
    reply = client.post("/v1/conversations", files={"spec": (None, json.dumps(spec))})
    return checked(reply).json()


def checked(reply: httpx.Response) -> httpx.Response:
    if reply.is_error:
        raise SystemExit(f"demo: {reply.request.method} {reply.request.url.path}: {reply.status_code} {reply.text}")
    return reply


def turn_audio(client: httpx.Client, conversation: str, turn: int) -> array.array[int]:
    body = checked(client.get(f"/v1/conversations/{conversation}/turns/{turn}/audio")).content
    with wave.open(io.BytesIO(body)) as wav:
        samples = array.array("h", wav.readframes(wav.getnframes()))
    return without_edges(samples)


def without_edges(samples: array.array[int]) -> array.array[int]:
    """Without the silence a synthesiser puts around a line, so that the pauses are the ones laid out here."""
    loud = [i for i in range(0, len(samples), 48) if max(samples[i : i + 48]) > EDGE]
    return samples[loud[0] : loud[-1] + 48] if loud else samples


def recording(turns: list[tuple[str, array.array[int]]], agent_delay_s: float) -> bytes:
    """The turns one after the other as a stereo WAV, left = user, right = agent."""
    left, right = array.array("h"), array.array("h")

    def silence(seconds: float) -> array.array[int]:
        return array.array("h", bytes(2 * int(seconds * RATE)))

    for channel in (left, right):
        channel.extend(silence(0.4))
    for role, samples in turns:
        gap = silence(agent_delay_s if role == "agent" else 0.6)
        speaks, listens = (right, left) if role == "agent" else (left, right)
        for channel in (speaks, listens):
            channel.extend(gap)
        speaks.extend(samples)
        listens.extend(array.array("h", bytes(2 * len(samples))))
    stereo = array.array("h", bytes(4 * len(left)))
    stereo[0::2], stereo[1::2] = left, right
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(stereo.tobytes())
    return out.getvalue()


def events(client: httpx.Client, replay: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", f"/v1/replays/{replay}/events", timeout=120) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def follow(client: httpx.Client, replay: str) -> dict[str, Any]:
    """Shows the progress until the verdict, and returns it."""
    live = sys.stdout.isatty()
    for event in events(client, replay):
        if event["type"] == "progress" and live:
            done = event["percent"] * 40 // 100
            print(
                f"\r  [{'#' * done}{'.' * (40 - done)}] {event['percent']:3d} % {event['step']:<10}", end="", flush=True
            )
        elif event["type"] in ("evaluation_complete", "failed"):
            if live:
                print("\r" + " " * 70 + "\r", end="")
            if event["type"] == "failed":
                raise SystemExit(f"demo: the replay failed: {event['reason']}")
            return event["result"]
    raise SystemExit("demo: the event stream ended without a verdict")


def run(client: httpx.Client, conversation: str, wav: bytes) -> tuple[str, dict[str, Any], float]:
    body = {"conversation_hash": conversation, "run_config": {"model": "demo"}}
    replay = checked(client.post("/v1/replays", json=body)).json()["id"]
    started = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    headers = {"Content-Type": "audio/wav", "X-Recording-Started-At": started}
    before = time.monotonic()
    checked(client.post(f"/v1/replays/{replay}/audio", content=wav, headers=headers))
    checked(client.post(f"/v1/replays/{replay}/analyze"))
    result = follow(client, replay)
    return replay, result, time.monotonic() - before


def show(client: httpx.Client, replay: str, result: dict[str, Any], seconds: float) -> None:
    detail = checked(client.get(f"/v1/replays/{replay}")).json()
    texts = {row["turn_idx"]: row["text"] for row in detail["transcripts"]}
    response = {row["turn_idx"]: row["agent_response_ms"] for row in detail["turn_metrics"]}
    for turn in detail["turns"]:
        waited = response.get(turn["idx"])
        note = f"  (answered in {waited} ms)" if waited is not None else ""
        print(f"  {turn['voice_start_ms'] / 1000:6.2f} s  {turn['role']:<5}  {texts.get(turn['idx'], '')}{note}")
    print(f"\n  {'turn':<6}{'check':<18}{'status':<9}reason")
    for row in result["assertions"]:
        print(f"  {row['turn_idx']:<6}{row['kind']:<18}{row['status']:<9}{row['message'] or ''}")
    for row in result["judges"]:
        score = f"score {row['score']}: " if row["score"] is not None else ""
        print(f"  {'all':<6}{'judge ' + row['kind']:<18}{row['status']:<9}{score}{row['reason'] or ''}")
    print(f"\n  verdict: {'PASSED' if result['passed'] else 'FAILED'}   (upload to verdict {seconds:.1f} s)\n")


def demo(client: httpx.Client) -> str:
    """Two replays of one script; the id of the first."""
    spec = {
        "name": "Book a table",
        "turns": [
            {"role": role, "key": f"t{i}", "assertions": CHECKS.get(i, [])}
            | ({"text": text, "audio": {"kind": "tts"}} if role == "user" else {})
            for i, (role, text) in enumerate(TALK)
        ],
        "judges": [{"kind": "text_match", "reference": REFERENCE, "pass_score": 70}],
    }
    print("Speaking the user's turns ...")
    row = upsert(client, spec)
    user = [turn_audio(client, row["hash"], i) for i, (role, _) in enumerate(TALK) if role == "user"]
    agent = spoken(client, "Demo: the agent's lines", [text for role, text in TALK if role == "agent"], "rms")

    def call(agent_lines: list[array.array[int]], delay_s: float) -> bytes:
        sides = {"user": iter(user), "agent": iter(agent_lines)}
        return recording([(role, next(sides[role])) for role, _ in TALK], delay_s)

    print("\n1. An agent that does its job\n")
    first, result, seconds = run(client, row["hash"], call(agent, 0.7))
    show(client, first, result, seconds)
    passed = result["passed"]
    print("2. The same script, an agent that is slow and books nothing\n")
    worse = ["Good morning. For which day would you like to book the table?", "I am sorry, we are closed.", "Goodbye."]
    replay, result, seconds = run(client, row["hash"], call(spoken(client, "Demo: a bad agent", worse, "rms"), 2.2))
    show(client, replay, result, seconds)
    failed = {row["kind"] for row in result["assertions"] if row["status"] == "failed"}
    if not passed or result["passed"] or not {"max_latency_ms", "not_contains", "regex"} <= failed:
        raise SystemExit("demo: the verdicts are not what they should be")
    return first


def main() -> None:
    volume = ROOT / "build" / "demo"
    shutil.rmtree(volume, ignore_errors=True)
    with Xrayd(volume, env={"XRAY_JUDGE_PROVIDER": "lexical"}) as server:
        print(f"xrayd listens on {server.url}\n")
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            replay = demo(client)
    command = f"XRAY_JUDGE_PROVIDER=lexical XRAY_DATA_DIR={os.path.relpath(volume)} "
    print(f"That server has stopped. To keep one running on the same volume:\n\n  {command}PORT=8080 ", end="")
    print(os.path.relpath(ROOT / "build" / "xrayd"))
    print("\nThen look at http://127.0.0.1:8080/docs, or at the first replay:\n")
    print(f"  http://127.0.0.1:8080/v1/replays/{replay}/result")


if __name__ == "__main__":
    main()
