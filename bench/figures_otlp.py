# SPDX-License-Identifier: Apache-2.0
"""Spans: how many a second, what they cost on the disk and in memory, and what else waits for them meanwhile."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from pathlib import Path

from api import Api
from figures_http import compare
from figures_verdict import Target
from ingest import (
    BATCH,
    CLIENTS,
    PROBES,
    REPLAY_SPANS,
    Ingest,
    Load,
    Result,
    SpansFloor,
    ingesting,
    rate,
    read_floor_ms,
)
from measure import BYTES, CORES, MB, MS, RATE, BenchError, Row, Samples, alternate, log_sync_ms, median, scratch
from target import recording
from wire import Wire, request

ROUNDS, SECONDS = 3, 4.0
SINGLE_CLIENTS = 16
SINGLE_BEFORE = 664  # spans a second, another implementation
SYNCS = 200
DETAIL_ROUNDS, DETAIL_READS = 7, 10
VERDICT_SECONDS, VERDICTS, VERDICTS_MIN = 20, 15, 5
RSS_SECONDS, RSS_EVERY_S = 60.0, 0.1


def _medians(results: list[Result], key: str) -> float:
    return median([result[key] for result in results])


def batches() -> list[Row]:
    """JSON and protobuf beside SQLite alone, and the bytes that all of it took."""
    json, protobuf = list[Result](), list[Result]()

    def send(ingest: Ingest, load: Load, results: list[Result]) -> float:
        results.append(ingest.run(load))
        return rate(results[-1])

    with scratch() as folder:
        floor = SpansFloor(folder)
        with ingesting() as ingest:
            database = Path(ingest.server.data_dir) / "xray.db"
            empty = database.stat().st_size
            floors, json_rates, protobuf_rates = alternate(
                ROUNDS,
                lambda: floor.write_rate(SECONDS),
                lambda: send(ingest, Load("json", seconds=SECONDS), json),
                lambda: send(ingest, Load("protobuf", seconds=SECONDS), protobuf),
            )
            ingest.server.stop()  # checkpoints
            size = (database.stat().st_size - empty) / ingest.sent
        floor_size = floor.bytes_a_span()
    what = f"spans, {BATCH} a request, {CLIENTS} clients"
    alone = f"SQLite alone, same rows, {BATCH} a commit"
    p99, cores = _medians(json, "p99_ms"), _medians(json, "cpu")
    return [
        Row(f"{what}, JSON", RATE, median(json_rates), median(floors), alone, goal=85_000, ratio_goal=0.6),
        Row(f"{what}, protobuf", RATE, median(protobuf_rates), median(json_rates), "the JSON above", ratio_goal=1.0),
        Row(f"{what}, JSON: p99 of a request", MS, p99, goal=40),
        Row(f"{what}, protobuf: p99 of a request", MS, _medians(protobuf, "p99_ms"), goal=40),
        Row(f"{what}, JSON: what the clients take", CORES, cores),
        Row("bytes on disk a span", BYTES, size, floor_size, alone, goal=400),
    ]


def _synced_rate(folder: Path) -> float:
    """Spans a second, if every client's one went out with the others' in one write and one fdatasync."""
    return SINGLE_CLIENTS * SYNCS / log_sync_ms(folder / "log", SYNCS) * 1000


def singles() -> list[Row]:
    rows: list[Row] = []
    with ingesting() as ingest:
        for encoding, name in (("json", "JSON"), ("protobuf", "protobuf")):
            load = Load(encoding, batch=1, clients=SINGLE_CLIENTS, seconds=2)
            results: list[Result] = []
            floors: Samples = []
            for _ in range(ROUNDS):
                floors.append(_synced_rate(ingest.folder))
                results.append(ingest.run(load))
            what = f"spans, one a request, {SINGLE_CLIENTS} clients, {name}"
            alone = f"{SINGLE_CLIENTS} a page and an fdatasync"
            rates = [rate(result) for result in results]
            rows.append(Row(what, RATE, median(rates), median(floors), alone, goal=10 * SINGLE_BEFORE))
            rows.append(Row(f"{what}: p99", MS, _medians(results, "p99_ms")))
    return rows


def _get_ms(wire: Wire, head: bytes) -> float:
    samples: Samples = []
    for _ in range(DETAIL_READS):
        start = time.perf_counter()
        wire.call(200, head)
        samples.append(1000 * (time.perf_counter() - start))
    return median(samples)


def open_detail() -> list[Row]:
    with ingesting() as ingest, Wire(ingest.server.port) as wire:
        replay = ingest.fill()
        database = Path(ingest.server.data_dir) / "xray.db"
        head = request("GET", f"/v1/replays/{replay}")
        size = len(wire.call(200, head))
        measured, floors = alternate(
            DETAIL_ROUNDS,
            lambda: _get_ms(wire, head),
            lambda: read_floor_ms(database, replay, DETAIL_READS),
        )
    what = f"detail of an open replay, {REPLAY_SPANS} spans, {size / 1e6:.1f} MB"
    return [Row(what, MS, median(measured), median(floors), "SQLite alone reads the rows", ratio_goal=2.5)]


def _finish(ingest: Ingest, replay: str) -> None:
    """Brings a replay to its verdict."""
    body = recording(VERDICT_SECONDS)
    reply = ingest.api.upload(replay, body)
    if reply.status_code != 200:
        raise BenchError(reply.text)
    ingest.api.http.post(f"/v1/replays/{replay}/analyze").raise_for_status()
    for name, _ in ingest.api.events(replay):
        if name == "failed":
            raise BenchError("the replay failed")


def _etag(api: Api, path: str) -> str:
    etag = api.http.get(path).headers.get("ETag")
    if not etag:
        raise BenchError("the detail has no ETag")
    if api.http.get(path, headers={"If-None-Match": etag}).status_code != 304:
        raise BenchError("the detail's own ETag is not 304")
    return etag


def finished_detail() -> list[Row]:
    with ingesting() as ingest:
        replay = ingest.fill()
        _finish(ingest, replay)
        path = f"/v1/replays/{replay}"
        url = ingest.server.url + path
        body = ingest.api.http.get(path).content
        what = f"detail of a finished replay, {len(body) / 1e6:.1f} MB"
        header = f"If-None-Match: {_etag(ingest.api, path)}"
        several = partial(compare, url, rounds=ROUNDS)
        return [
            several(body, f"{what}, 2 connections", 400, connections=2),
            several(body, f"{what}, 4 connections", 400, connections=4),
            several(b"", f"{what}: 304, 4 connections", None, connections=4, header=header),
        ]


def _verdicts(target: Target, busy: subprocess.Popen[str]) -> Samples:
    """Verdicts until the load ends; the last one may have come after it."""
    samples: Samples = []
    while busy.poll() is None:
        samples.append(target.verdict_ms(settled=False))
    if len(samples) <= VERDICTS_MIN:
        raise BenchError(f"only {len(samples)} verdicts while spans were sent")
    return samples[:-1]


def beside() -> list[Row]:
    """What others notice of spans that come as fast as they are taken."""
    load = Load("json", seconds=SECONDS, probes=PROBES)
    alone, busy, probes = Samples(), Samples(), list[Result]()
    with ingesting() as ingest:
        target = Target(ingest.server, ingest.api, ingest.folder)
        target.verdict_ms()  # the first one opens connections to the database
        for _ in range(ROUNDS):
            alone += [target.verdict_ms(settled=False) for _ in range(VERDICTS)]
            with ingest.running(load) as process:
                busy += _verdicts(target, process)
                ingest.finish(load, process)
            probes.append(ingest.run(load))
    late = f"a {VERDICT_SECONDS} s replay, upload to verdict, while spans are sent"
    return [
        Row("GET /healthz while spans are sent: p99", MS, _medians(probes, "probe_p99_ms"), goal=20),
        Row("GET /healthz while spans are sent: median", MS, _medians(probes, "probe_p50_ms")),
        Row(late, MS, median(busy), median(alone), "the same without them", ratio_goal=2.0),
    ]


def memory() -> list[Row]:
    """A minute at full rate. Not part of the whole: it takes longer than all the rest."""
    load = Load("json", seconds=RSS_SECONDS)
    anonymous = 0
    with ingesting() as ingest:
        before = ingest.server.rss_bytes()
        with ingest.running(load) as process:
            while process.poll() is None:
                anonymous = max(anonymous, ingest.server.rss_bytes("RssAnon"))
                time.sleep(RSS_EVERY_S)
            result = ingest.finish(load, process)
        peak = ingest.server.rss_bytes("VmHWM")
    what = f"{RSS_SECONDS:.0f} s of spans"
    return [
        Row(f"{what}: largest RSS", MB, peak / 1e6, before / 1e6, "before them", goal=80),
        Row(f"{what}: largest RssAnon", MB, anonymous / 1e6),
        Row(f"{what}: rate", RATE, rate(result)),
        Row(f"{what}: p99 of a request", MS, result["p99_ms"]),
        Row(f"{what}: slowest request", MS, result["max_ms"]),
    ]
