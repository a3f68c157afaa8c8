# SPDX-License-Identifier: Apache-2.0
"""What asyncio lacks on the oldest Python supported."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")


async def gather_all(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results in order. The first failure cancels the others, waits for their end, and is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await despite_cancellation(asyncio.gather(*tasks, return_exceptions=True))
        raise


async def despite_cancellation(work: asyncio.Future[_T] | Coroutine[Any, Any, _T]) -> _T:
    """Waits for `work` to end also if the caller is cancelled meanwhile; that is raised afterwards.

    For short work that must not be left undone. It must end by itself.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # it has been looked at: the cancellation goes first
        raise cancelled
    return task.result()
