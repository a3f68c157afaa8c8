# SPDX-License-Identifier: Apache-2.0
"""Keeps what was recorded of a call that broke: it is what one wants to hear then."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from xray._recorder import Recorder
from xray._recording import place_of_its_own
from xray._tasks import despite_cancellation
from xray.errors import MixdownError, XrayError
from xray.runtime._places import Places

__all__ = ["keep_broken"]

_log = logging.getLogger("xray")


async def keep_broken(error: BaseException, recorder: Recorder, places: Places, replay_id: str) -> None:
    """Writes the recording of a call that `error` ended, and says where it is: in the log, and in an XrayError too.

    It goes where recordings are kept, else into a private folder that is the user's. A call that was given up (it was
    cancelled) is kept only where the user asked for it. A disk that does not take it is told and hides no `error`.
    """
    path = places.kept(replay_id)
    if path is None and not isinstance(error, Exception):
        return
    try:
        written = await despite_cancellation(asyncio.to_thread(_write, recorder, path, replay_id))
    except (MixdownError, OSError) as failure:
        _log.warning("the recording of replay %s, whose call broke, could not be kept: %s", replay_id, failure)
        return
    _log.warning("the call of replay %s broke; its recording until then is kept at %s", replay_id, written)
    if isinstance(error, XrayError):
        error.keep_recording(written)


def _write(recorder: Recorder, path: Path | None, replay_id: str) -> Path:
    if path is not None:
        return recorder.finish(path=path)
    with place_of_its_own(replay_id) as own:
        return recorder.finish(path=own)
