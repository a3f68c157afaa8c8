# SPDX-License-Identifier: Apache-2.0
"""Tasks that belong together end together, and what must be done is done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from xray._tasks import despite_cancellation, gather_all


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def test_results_come_in_order() -> None:
    async def later(n: int) -> int:
        for _ in range(5 - n):
            await asyncio.sleep(0)
        return n

    async def main() -> None:
        assert await gather_all([later(n) for n in range(5)]) == list(range(5))

    run(main())


def test_the_first_failure_ends_the_others_before_it_is_raised() -> None:
    ended: list[str] = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    async def main() -> None:
        before = asyncio.all_tasks()
        with pytest.raises(LookupError):
            await gather_all([endless(), fails(), endless()])
        assert ended == ["cleaned up"] * 2
        assert asyncio.all_tasks() == before

    run(main())


def test_cancelled_it_cancels_all() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        task = asyncio.create_task(gather_all([asyncio.Event().wait(), asyncio.Event().wait()]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before

    run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_work_is_finished_however_often_its_waiter_is_cancelled(fails: bool) -> None:
    async def main() -> None:
        go_on, done = asyncio.Event(), list[int]()

        async def work() -> None:
            await go_on.wait()
            done.append(1)
            if fails:
                raise LookupError

        task = asyncio.create_task(despite_cancellation(work()))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [1]

    run(main())
