# SPDX-License-Identifier: Apache-2.0
"""The operating system's microphone and loudspeaker, through `sounddevice`, which is imported when they are needed.

PortAudio calls back on a thread of its own: nothing there waits, and what it brings is handed to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import threading
from types import ModuleType
from typing import Any, Final, TypeAlias

from xray._clock import SAMPLE_RATE, Clock
from xray._frame import FRAME_BYTES, FRAME_SAMPLES
from xray._recorder import mix
from xray.errors import LiveDependencyError, MicCaptureError, SpeakerPlaybackError, XrayError

__all__ = ["Device", "Microphone", "Speaker", "load_sounddevice"]

Device: TypeAlias = "int | str | None"
"""As sounddevice names devices: an index, a part of the name, None for the default."""

_logger = logging.getLogger("xray.runtime.livekit_live")

_STOPPED_S: Final = 3.0
# So much of a track waits for the loudspeaker at most: more would be heard ever later.
_QUEUE_BYTES: Final = 20 * FRAME_BYTES
_PREFILL_BYTES: Final = 4 * FRAME_BYTES


def load_sounddevice() -> ModuleType:
    """Raises LiveDependencyError if the extra is not installed, or PortAudio itself is not."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise LiveDependencyError(
            f'sounddevice is not installed; install it with: pip install "xray-py[live]" ({error})'
        ) from error
    except OSError as error:
        raise LiveDependencyError(
            f"sounddevice finds no PortAudio; install it (on Debian the package libportaudio2): {error}"
        ) from error


class _Stream:
    """One PortAudio stream of 48 kHz mono int16, in blocks of 10 ms."""

    def __init__(self, sd: ModuleType, kind: str, failed: type[XrayError], device: Device) -> None:
        self._sd = sd
        self._kind = kind
        self._failed = failed
        self._device = device
        self._stream: Any = None
        self._trouble = 0

    def _open(self, make: Any, what: str) -> None:
        try:
            self._stream = make(
                samplerate=SAMPLE_RATE,
                channels=1,
                dtype="int16",
                blocksize=FRAME_SAMPLES,
                device=self._device,
                callback=self._called,
            )
            self._stream.start()
        except (self._sd.PortAudioError, ValueError) as error:
            self.close()
            raise self._failed(f"cannot open {what}: {error}") from error

    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Stops at once. Safe to call again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(self._sd.PortAudioError):
                stream.abort()
            with contextlib.suppress(self._sd.PortAudioError):
                stream.close()
        if self._trouble:
            _logger.warning("%s: %d blocks came too late or were lost by the system", self._kind, self._trouble)
            self._trouble = 0


class Microphone(_Stream):
    """What the person at this machine says. `open` on the event loop that reads it."""

    def __init__(self, sd: ModuleType, *, device: Device, clock: Clock) -> None:
        super().__init__(sd, "the microphone", MicCaptureError, device)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def open(self) -> None:
        """Raises MicCaptureError if there is no microphone that gives 48 kHz."""
        self._open(self._sd.RawInputStream, "the microphone")

    async def next(self) -> tuple[int, bytes]:
        """The next 10 ms and when they came (monotonic ns). MicCaptureError if none come any more."""
        try:
            return await asyncio.wait_for(self._frames.get(), _STOPPED_S)
        except asyncio.TimeoutError:
            raise MicCaptureError(f"the microphone has given nothing for {_STOPPED_S:g} s") from None

    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:  # noqa: ARG002 PortAudio's signature
        if status:
            self._trouble += 1
        item = (self._clock.monotonic_ns(), bytes(data))
        # The loop may be gone while the stream closes.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._frames.put_nowait, item)


class Speaker(_Stream):
    """Plays the agent's tracks, mixed. What does not come in time is silence, what piles up is left out: it is for the
    person's ears only, the recording has all of it."""

    def __init__(self, sd: ModuleType, *, device: Device) -> None:
        super().__init__(sd, "the loudspeaker", SpeakerPlaybackError, device)
        self._blocks = 0
        self._lock = threading.Lock()
        self._tracks: dict[str, bytearray] = {}
        self._filling: set[str] = set()

    def open(self) -> None:
        """Raises SpeakerPlaybackError if there is no loudspeaker that takes 48 kHz."""
        self._open(self._sd.RawOutputStream, "the loudspeaker")

    async def watch(self) -> None:
        """SpeakerPlaybackError when the loudspeaker takes nothing any more: it was unplugged, say."""
        while True:
            taken = self._blocks
            await asyncio.sleep(_STOPPED_S)
            if self._blocks == taken:
                raise SpeakerPlaybackError(f"the loudspeaker has taken nothing for {_STOPPED_S:g} s")

    def play(self, track: str, pcm: bytes) -> None:
        """The next samples of a track."""
        with self._lock:
            if track not in self._tracks:
                self._tracks[track] = bytearray()
                self._filling.add(track)
            queue = self._tracks[track]
            queue += pcm
            if len(queue) >= _PREFILL_BYTES:
                self._filling.discard(track)
            if len(queue) > _QUEUE_BYTES:
                del queue[: len(queue) - _PREFILL_BYTES]

    def _called(self, data: Any, frames: int, time: Any, status: Any) -> None:  # noqa: ARG002 PortAudio's signature
        if status:
            self._trouble += 1
        self._blocks += 1
        wanted = frames * 2
        out = bytes(wanted)
        with self._lock:
            for track, queue in list(self._tracks.items()):
                if track in self._filling:
                    continue
                out = mix(out, bytes(queue[:wanted]).ljust(wanted, b"\0"))
                del queue[:wanted]
                if not queue:
                    del self._tracks[track]  # ended, or late: it fills up again before it is heard
        data[:] = out
