# SPDX-License-Identifier: Apache-2.0
"""The fake vendor server: OpenAI, Google and Mistral under one address, on a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
import traceback
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from vendors import endpoints
from vendors.answers import Answer, json_answer
from vendors.calls import Call, CallLog, Chosen
from vendors.exchange import Exchange, Gone, WireExchange
from vendors.faults import BY_NAME, Fault
from vendors.http1 import Http1
from vendors.http2 import Http2
from vendors.names import KEYS, PROVIDERS, STAGES, VARIABLES, VERSIONS, Stage, Vendor
from vendors.plans import Plan, Plans
from vendors.requests import Settings
from vendors.script import Hear, Judge, by_duration

BACKLOG = 1024
STOPS_WITHIN_S = 10


class Vendors:
    """A context manager; every method may be called from any thread while it runs.

    keys: what each vendor demands; None: requests need no key, as with local model servers.
    models: the names that are known; None: all. any_voice: voices are not checked.
    tls: serves HTTPS with it (certificates.py); http2: offers h2 there.

    Requests that a vendor's reference does not allow are refused in the vendor's own way, before any fault, and are in
    `refused`. What goes wrong in the fake itself, or in a test's function, is answered 500 and raised by `stop`.
    """

    def __init__(
        self,
        *,
        keys: Mapping[Vendor, str] | None = KEYS,
        models: Iterable[str] | None = None,
        any_voice: bool = False,
        tls: ssl.SSLContext | None = None,
        http2: bool = False,
    ) -> None:
        self.keys = keys
        self.settings = Settings(models=None if models is None else frozenset(models), any_voice=any_voice)
        self.expect_refusals = False  # else the fixture `vendors` fails a test that had one
        self.port = 0
        self.connections = 0  # opened so far
        self._tls = tls
        self._http2 = http2
        if tls:
            tls.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        self._log = CallLog()
        self._plans = Plans()
        self._crashes: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="vendors")
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    # --- its life ---

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(STOPS_WITHIN_S), "the fake did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, _value: object, _traceback: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOPS_WITHIN_S)
        assert not self._thread.is_alive(), "the fake did not stop"
        if self._crashes and kind is None:
            raise AssertionError("\n".join(self._crashes))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, backlog=BACKLOG, ssl=self._tls, limit=1 << 20
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- where it is ---

    @property
    def base(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def url(self, vendor: Vendor, *, version: bool = False) -> str:
        """The vendor's base URL, without a slash at its end; version: with "/v1" ("/v1beta" at Google)."""
        return f"{self.base}/{vendor}{VERSIONS[vendor] if version else ''}"

    def env(self, vendor: Vendor, *stages: Stage, version: bool = False) -> dict[str, str]:
        """For xrayd: the vendor's base URL and key, and the selectors of the stages (all, if none is given)."""
        name = VARIABLES[vendor]
        selected = {f"XRAY_{s.upper()}_PROVIDER": PROVIDERS[s, vendor] for s in stages or STAGES}
        key = {f"{name}_API_KEY": self.keys[vendor]} if self.keys else {}
        return {f"{name}_BASE_URL": self.url(vendor, version=version)} | key | selected

    # --- what it says ---

    def hear(self, how: Hear | Mapping[int, str]) -> None:
        """What transcriptions say: a function of the recording, or a table by its duration in ms."""
        self.settings.script.hear = how if callable(how) else by_duration(how)

    def judge(self, how: Judge) -> None:
        self.settings.script.judge = how

    def fail(
        self,
        fault: Fault | str,
        *,
        vendor: Vendor | None = None,
        stage: Stage | None = None,
        when: Chosen | None = None,
        times: int | None = None,
    ) -> Plan:
        """The fault instead of the right answer, for the requests that fit: the first `times`, or all.

        Of several plans that fit, the one made first is followed, until its times are used up. ValueError if the fault
        does not exist at that stage or vendor.
        """
        known = BY_NAME[fault] if isinstance(fault, str) else fault
        if not known.applies(vendor, stage):
            raise ValueError(f"{known.name} does not apply to {vendor or 'every vendor'}, {stage or 'every stage'}")
        return self._plans.add(Plan(self._loop, known, 0, vendor, stage, when, times))

    def delay(
        self,
        ms: float,
        *,
        vendor: Vendor | None = None,
        stage: Stage | None = None,
        when: Chosen | None = None,
        times: int | None = None,
    ) -> Plan:
        """Answers the requests that fit so much later; what they are answered is another plan's business."""
        return self._plans.add(Plan(self._loop, None, ms / 1000, vendor, stage, when, times))

    def heal(self) -> None:
        """Forgets all plans and goes on with what hangs."""
        self._plans.clear()

    # --- what it was asked ---

    def calls(self, *, vendor: Vendor | None = None, stage: Stage | None = None) -> list[Call]:
        return self._log.select(_chosen(vendor, stage, ended=False))

    def wait_calls(
        self,
        n: int,
        *,
        vendor: Vendor | None = None,
        stage: Stage | None = None,
        ended: bool = False,
        within_s: float = 10,
    ) -> list[Call]:
        """Waits until at least n such calls have come (ended: and are over, answered or abandoned)."""
        return self._log.wait(n, _chosen(vendor, stage, ended=ended), within_s)

    def forget_calls(self) -> None:
        self._log.clear()

    @property
    def refused(self) -> list[Call]:
        return self._log.select(lambda call: call.refusal is not None)

    def assert_none_refused(self) -> None:
        """What the fixture `vendors` ends with."""
        assert not self.refused, "\n".join(str(call) for call in self.refused)

    @property
    def current(self) -> int:
        """Requests that have come and are not yet answered."""
        return self._log.current

    @property
    def peak(self) -> int:
        """The most of them at once, since the start or `forget_calls`."""
        return self._log.peak

    # --- one connection, one request ---

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio has set TCP_NODELAY.
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        kind = Http2 if tls and tls.selected_alpn_protocol() == "h2" else Http1
        try:
            await kind(reader, writer, self.connections, self.base).run(self._serve)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, exchange: Exchange) -> None:
        call = exchange.call
        try:
            exchange.answer = endpoints.answer(call, self.settings, self.keys)
        except Exception:
            exchange.answer = self._crashed(call)
        self._log.begin(call)
        try:
            await self._follow(exchange)
        except Gone:
            raise
        except Exception:
            await exchange.reply(self._crashed(call))
        finally:
            self._log.end(call)

    def _crashed(self, call: Call) -> Answer:
        """A test's own function may have failed: it is shown where the test can see it."""
        self._crashes.append(traceback.format_exc())
        call.refusal = f"the fake broke: {self._crashes[-1].splitlines()[-1]}"
        return json_answer({"error": call.refusal}, 500)

    async def _follow(self, exchange: Exchange) -> None:
        call = exchange.call
        delay, fault = self._plans.choose(call) if call.refusal is None else (None, None)
        if delay:
            await exchange.pause(delay.delay_s)
        if fault is None or fault.fault is None:
            await exchange.reply(exchange.answer)
            return
        call.fault = fault.fault.name
        exchange.released = fault.released
        if fault.fault.raw and not isinstance(exchange, WireExchange):
            raise TypeError(f"{call.fault} needs HTTP/1.1")
        await fault.fault.act(exchange)


def _chosen(vendor: Vendor | None, stage: Stage | None, *, ended: bool) -> Chosen:
    def chosen(call: Call) -> bool:
        of_these = (vendor is None or call.vendor == vendor) and (stage is None or call.stage == stage)
        return of_these and (not ended or call.ended is not None)

    return chosen
