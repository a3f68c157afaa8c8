# SPDX-License-Identifier: Apache-2.0
"""Tasks that end together, and work that a cancellation does not interrupt."""

from __future__ import annotations

import asyncio

import pytest

from xray._tasks import gather_all


def test_the_first_failure_cancels_the_others_and_waits_for_their_end() -> None:
    ended: list[str] = []

    async def main() -> None:
        waiting = asyncio.Event()

        async def endless() -> None:
            waiting.set()
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 10)  # so that the test ends if nobody cancels it
            except asyncio.CancelledError:
                await asyncio.sleep(0)  # an end that takes a while
                ended.append("cancelled")
                raise

        async def fails() -> None:
            await waiting.wait()
            raise KeyError("the first")

        with pytest.raises(KeyError, match="the first"):
            await gather_all([endless(), fails()])
        assert ended == ["cancelled"]

    asyncio.run(asyncio.wait_for(main(), 20))


def test_results_are_in_the_order_of_the_work() -> None:
    async def main() -> list[int]:
        second = asyncio.Event()

        async def one() -> int:
            await second.wait()
            return 1

        async def two() -> int:
            second.set()
            return 2

        return await gather_all([one(), two()])

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [1, 2]
