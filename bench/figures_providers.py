# SPDX-License-Identifier: Apache-2.0
"""Calls to other hosts, against the tests' fake of the cloud vendors: what our client costs, and turns in parallel."""

from __future__ import annotations

import json
import statistics
import time
from functools import cache

from api import Api, dialogue
from measure import MS, Row, alternate, median, run_tool, scratch, settle
from target import Prepared
from vendors import Vendors
from wire import Wire
from xrayd_process import ROOT, Xrayd

CALLS, ROUNDS = 100, 15
TURNS, TURN_S, LATENCY_MS, CHAINS = 16, 1.0, 500, 5


def overhead() -> list[Row]:
    probe = ROOT / "build" / "release" / "server" / "providers-probe"
    with Vendors(keys=None) as vendors:
        times = json.loads(run_tool(probe, vendors.url("openai"), str(CALLS), str(ROUNDS)))
    ours, plain = times["ours_ms"], times["libcurl_ms"]
    ratio = statistics.median(o / p for o, p in zip(ours, plain, strict=True))
    floor = statistics.median(plain)
    what = f"{CALLS} judgements, one after the other"
    return [Row(what, MS, floor * ratio, floor, "the same requests by libcurl alone", ratio_goal=1.1)]


@cache
def recording() -> bytes:
    return dialogue(*[("user", TURN_S), ("agent", TURN_S)] * (TURNS // 2))


class Chains:
    def __init__(self, server: Xrayd, api: Api, vendors: Vendors) -> None:
        self.server, self.api, self.vendors = server, api, vendors
        spec = {"name": "bench", "turns": [{"role": "user", "text": "a question"}, {"role": "agent"}] * (TURNS // 2)}
        self.conversation = api.new_conversation(spec)

    def verdict_ms(self) -> float:
        """From the 202 of analyze to the verdict."""
        replay = Prepared(self.api, self.conversation)
        asked = len(self.vendors.calls(stage="transcription"))
        with Wire(self.server.port) as wire, Wire(self.server.port) as events:
            events.follow(replay.id)
            wire.call(200, *replay.upload(recording()))
            settle()
            start = time.perf_counter()
            wire.call(202, replay.analyze)
            end = events.verdict()
        if len(self.vendors.calls(stage="transcription")) != asked + TURNS:
            raise RuntimeError("not every turn was transcribed once")
        return 1000 * (end - start)


def parallel() -> list[Row]:
    with scratch() as folder, Vendors() as vendors:
        env = vendors.env("openai", "transcription") | {"XRAY_PROVIDER_CONCURRENCY": str(TURNS)}
        with Xrayd(folder / "data", env=env) as server, Api(server.wait_ready().url) as api:
            chains = Chains(server, api, vendors)
            chains.verdict_ms()  # the first one opens connections
            vendors.delay(LATENCY_MS)
            (samples,) = alternate(CHAINS, chains.verdict_ms)
    what = f"{TURNS} turns transcribed by a host that takes {LATENCY_MS} ms, the chain"
    return [Row(what, MS, median(samples), float(LATENCY_MS), "the host's time", goal=700)]
