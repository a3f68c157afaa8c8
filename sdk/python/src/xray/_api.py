# SPDX-License-Identifier: Apache-2.0
"""The calls of the HTTP API that a run makes, each with what may be done twice and for how long it may take."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

import httpx

from xray import _wire
from xray._transport import Call, Transport, unusable
from xray.conversation import Conversation, RunConfig
from xray.errors import AudioMissingError, XrayServerError

_T = TypeVar("_T")

RECORDING_MAX_BYTES: Final = 512 * 1024 * 1024

# Speaking a long conversation with a slow provider takes minutes.
_SPEECH_TIMEOUT: Final = httpx.Timeout(600, connect=10)
# Giving up must be quick: somebody pressed Ctrl-C.
LAST_WORD_TIMEOUT: Final = httpx.Timeout(5)
LAST_WORD_ATTEMPTS: Final = 2
_LAST_WORD_PAUSE_S: Final = 1.0
_CHUNK_BYTES: Final = 1024 * 1024
_ANALYSIS_BEGUN: Final = frozenset({"analyzing", "completed", "failed"})


class Api:
    """One xrayd. Everything raises XrayServerError for an answer that is an error, and for none."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def put_conversation(self, conversation: Conversation) -> str:
        """Stores it, with its recorded files streamed from disk; returns its hash."""
        spec, paths = _wire.conversation_spec(conversation)
        opened: list[_FileToSend] = []

        def body() -> Mapping[str, Any]:
            # `spec` has no file name: a plain field of the form.
            parts: list[tuple[str, Any]] = [("spec", (None, spec))]
            for key, path in paths.items():
                opened.append(_FileToSend(path))
                parts.append((key, (f"{key}.wav", opened[-1], "audio/wav")))
            return {"files": parts}

        # Of a live conversation, each request makes one more.
        call = Call("POST", "/v1/conversations", body, timeout=_SPEECH_TIMEOUT, once=conversation.live)
        try:
            response = await self.transport.send(call)
        finally:
            for file in opened:
                file.close()
        return _parsed(_wire.ConversationRow, call, response).hash

    async def turn_audio(self, conversation_hash: str, turn_idx: int) -> bytes:
        """The WAV of a turn."""
        path = f"/v1/conversations/{conversation_hash}/turns/{turn_idx}/audio"
        return (await self.transport.send(Call("GET", path))).content

    async def create_replay(self, conversation_hash: str, run_config: RunConfig | None) -> str:
        """A new replay, pending; returns its id."""
        fields: dict[str, Any] = {"conversation_hash": conversation_hash}
        if run_config is not None:
            fields["run_config"] = run_config.as_json()
        call = _json_call("POST", "/v1/replays", _wire.ReplayCreate(**fields), once=True)
        return _parsed(_wire.ReplayDetail, call, await self.transport.send(call)).id

    async def replay(self, replay_id: str) -> _wire.ReplayDetail:
        call = Call("GET", f"/v1/replays/{replay_id}")
        return _parsed(_wire.ReplayDetail, call, await self.transport.send(call))

    async def mark_running(self, replay_id: str) -> None:
        await self.transport.send(
            _json_call("PATCH", f"/v1/replays/{replay_id}", _wire.ReplayUpdate(lifecycle_state="running"))
        )

    async def mark_failed(self, replay_id: str, reason: str) -> None:
        """Within seconds. A 409 is fine: the replay's end is known already."""
        update = _wire.ReplayUpdate(lifecycle_state="failed", failure_reason=reason)
        call = _json_call(
            "PATCH",
            f"/v1/replays/{replay_id}",
            update,
            timeout=LAST_WORD_TIMEOUT,
            attempts=LAST_WORD_ATTEMPTS,
            pause_max_s=_LAST_WORD_PAUSE_S,
        )
        try:
            await self.transport.send(call)
        except XrayServerError as error:
            if error.status_code != 409:
                raise

    async def upload_recording(self, replay_id: str, path: Path, started_at_epoch: float | None) -> None:
        """Streams the file from disk. `started_at_epoch` is the wall clock of its first sample, in Unix seconds."""
        headers = {"Content-Type": "audio/wav", "Content-Length": str(path.stat().st_size)}
        if started_at_epoch is not None:
            headers["X-Recording-Started-At"] = iso_time(started_at_epoch)
        call = Call("POST", f"/v1/replays/{replay_id}/audio", lambda: {"content": _file_chunks(path)}, headers=headers)
        _parsed(_wire.RecordingStored, call, await self.transport.send(call))

    async def analyze(self, replay_id: str) -> None:
        """Starts the analysis. A 409 that says that it has begun is the answer to a request that got lost."""
        call = Call("POST", f"/v1/replays/{replay_id}/analyze")
        try:
            response = await self.transport.send(call)
        except XrayServerError as error:
            body = error.body
            state = cast("dict[str, object]", body).get("current_state") if isinstance(body, dict) else None
            if error.code != "replay_not_ready_for_analysis" or state not in _ANALYSIS_BEGUN:
                raise
        else:
            _parsed(_wire.AnalysisStarted, call, response)

    async def result(self, replay_id: str) -> _wire.Result | None:
        """The verdict; None while there is none."""
        call = Call("GET", f"/v1/replays/{replay_id}/result", attempts=1)
        try:
            return _parsed(_wire.Result, call, await self.transport.send(call))
        except XrayServerError as error:
            if error.code == "replay_not_evaluated":
                return None
            raise


def iso_time(epoch_s: float) -> str:
    """Unix seconds as the API takes times: UTC, to the microsecond. ValueError or OverflowError if it is no time."""
    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json_call(method: str, path: str, model: _wire.WireModel, **options: Any) -> Call:
    content = _wire.encode(model)
    return Call(method, path, lambda: {"content": content}, headers={"Content-Type": "application/json"}, **options)


def _parsed(model: type[_wire.M], call: Call, response: httpx.Response) -> _wire.M:
    try:
        return _wire.parse(model, response.content)
    except ValueError as error:
        raise unusable(str(call), response, str(error)) from None


class _FileToSend:
    """A file as httpx's forms read one, but open only while it is being sent: a script may have a thousand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = _when_there(path, lambda: path.stat().st_size)
        self._position = 0
        self._file: BinaryIO | None = None

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.close()
        self._position = offset + (self._size if whence == os.SEEK_END else 0)
        return self._position

    def read(self, size: int) -> bytes:
        if self._file is None:
            self._file = _when_there(self._path, lambda: self._path.open("rb"))
            self._file.seek(self._position)
        chunk = self._file.read(size)
        self._position += len(chunk)
        if not chunk:
            self.close()
        return chunk

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _when_there(path: Path, use: Callable[[], _T]) -> _T:
    """The file was checked before; here it is gone."""
    try:
        return use()
    except OSError as error:
        raise AudioMissingError(f"recorded audio {path}: {error.strerror or error}") from error


async def _file_chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
