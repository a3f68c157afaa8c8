# SPDX-License-Identifier: Apache-2.0
"""Which requests are answered wrongly or late."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from vendors.calls import Call, Chosen
from vendors.faults import Fault
from vendors.names import Stage, Vendor


@dataclass(eq=False)
class Plan:
    """A fault, or a delay, for the requests that fit. `hits` counts those it was followed for."""

    loop: asyncio.AbstractEventLoop
    fault: Fault | None
    delay_s: float
    vendor: Vendor | None
    stage: Stage | None
    when: Chosen | None
    times: int | None
    hits: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """What hangs by this plan goes on, and is answered rightly; nothing hangs by it any more."""
        self.loop.call_soon_threadsafe(self.released.set)

    def take(self, call: Call) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if self.vendor not in (None, call.vendor) or self.stage not in (None, call.stage):
            return False
        if self.fault and not self.fault.applies(call.vendor, call.stage):
            return False
        if self.when and not self.when(call):
            return False
        self.hits += 1
        return True


class Plans:
    def __init__(self) -> None:
        self._plans: list[Plan] = []
        self._lock = threading.Lock()

    def add(self, plan: Plan) -> Plan:
        with self._lock:
            self._plans.append(plan)
        return plan

    def clear(self) -> None:
        with self._lock:
            plans, self._plans = self._plans, []
        for plan in plans:
            plan.release()

    def choose(self, call: Call) -> tuple[Plan | None, Plan | None]:
        """The delay and the fault for a call; takes one of the times of each."""
        with self._lock:
            delay = next((p for p in self._plans if p.fault is None and p.take(call)), None)
            fault = next((p for p in self._plans if p.fault is not None and p.take(call)), None)
        return delay, fault
