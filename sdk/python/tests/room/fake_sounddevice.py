# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the module `sounddevice`, with devices that are threads: a microphone that is fed samples, a
loudspeaker that keeps what it played. Blocks and callbacks are as PortAudio's raw streams have them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

FRAME = 480


class PortAudioError(Exception):
    pass


class _Stream:
    def __init__(self, owner: FakeSoundDevice, callback: Callable[..., None], **options: Any) -> None:
        wanted = {"samplerate": 48_000, "channels": 1, "dtype": "int16", "blocksize": FRAME}
        assert {name: options[name] for name in wanted} == wanted
        self._owner = owner
        self._callback = callback
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        self._owner.open.add(self)
        self._thread.start()

    def abort(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        self._owner.open.discard(self)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            due += FRAME / 48_000
            time.sleep(max(0.0, due - time.monotonic()))
            self.block()

    def block(self) -> None:
        raise NotImplementedError


class _Input(_Stream):
    def block(self) -> None:
        owner = self._owner
        if owner.mic_dead.is_set():
            return
        with owner.lock:
            pcm = bytes(owner.speech[: 2 * FRAME]).ljust(2 * FRAME, b"\0")
            del owner.speech[: 2 * FRAME]
        self._callback(memoryview(pcm), FRAME, None, 0)


class _Output(_Stream):
    def block(self) -> None:
        if self._owner.speaker_dead.is_set():
            return
        block = bytearray(2 * FRAME)
        self._callback(memoryview(block), FRAME, None, 0)
        self._owner.played += block


class FakeSoundDevice(ModuleType):
    """`sys.modules["sounddevice"] = FakeSoundDevice()`"""

    def __init__(self, *, no_mic: bool = False, no_speaker: bool = False) -> None:
        super().__init__("sounddevice")
        self.PortAudioError = PortAudioError
        self.lock = threading.Lock()
        self.speech = bytearray()
        self.played = bytearray()
        self.open: set[_Stream] = set()
        self.mic_dead = threading.Event()
        self.speaker_dead = threading.Event()
        self._no_mic = no_mic
        self._no_speaker = no_speaker

    def speak(self, pcm: bytes) -> None:
        with self.lock:
            self.speech += pcm

    def RawInputStream(self, **options: Any) -> _Input:  # noqa: N802 sounddevice's name
        if self._no_mic:
            raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")
        return _Input(self, **options)

    def RawOutputStream(self, **options: Any) -> _Output:  # noqa: N802 sounddevice's name
        if self._no_speaker:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        return _Output(self, **options)
