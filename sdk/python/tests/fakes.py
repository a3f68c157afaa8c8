# SPDX-License-Identifier: Apache-2.0
"""A runtime without a room, and a server in front of the real one that does what a script says."""

from __future__ import annotations

import asyncio
import re
import socket
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx
from api import dialogue
from typing_extensions import Self

from xray.conversation import Conversation
from xray.runtime.base import AgentResponse, RunProgress, Runtime, RuntimeResult

CALL = dialogue(("user", 0.8), ("agent", 0.8))


class FakeRuntime(Runtime):
    """Returns a recording that was made before. `during` runs in the place of the call."""

    def __init__(
        self,
        folder: Path,
        *,
        recording: bytes | None = CALL,
        anchor: float | None = 0.0,
        during: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._folder = folder
        self._recording = recording
        self._anchor = time.time() if anchor == 0.0 else anchor
        self._during = during
        self.path = folder / f"recording-{id(self)}.wav"
        self.steps: list[str] = []
        self.replay_id = ""
        self.conversation_hash = ""
        self.audio: dict[int, bytes] = {}
        self.stop = asyncio.Event()
        self._report: Callable[[RunProgress], None] = lambda _event: None

    def bind(self, *, replay_id: str, conversation_hash: str) -> None:
        self.steps.append("bind")
        self.replay_id, self.conversation_hash = replay_id, conversation_hash

    def inject_user_audio(self, audio: Mapping[int, bytes]) -> None:
        self.steps.append("inject")
        self.audio = dict(audio)

    def report_progress_to(self, report: Callable[[RunProgress], None]) -> None:
        self._report = report

    def request_stop(self) -> None:
        self.steps.append("stop")
        self.stop.set()

    async def run(self, conversation: Conversation) -> RuntimeResult:
        self.steps.append("run")
        for i, turn in enumerate(conversation.turns):
            self._report(RunProgress("turn", turn_idx=i, turn_count=len(conversation.turns), role=turn.role))
        if self._during is not None:
            await self._during()
        if self._recording is not None:
            self.path.write_bytes(self._recording)
        return RuntimeResult(
            [AgentResponse("")], None if self._recording is None else str(self.path), None, self._anchor
        )

    async def aclose(self) -> None:
        self.steps.append("aclose")
        self.path.unlink(missing_ok=True)


@dataclass
class Rule:
    """What happens to the requests it matches, `times` times: an answer of its own, or a cut."""

    match: str
    """A pattern for "METHOD /path"."""
    times: int = 1
    answer: bytes | None = None
    """A whole HTTP response in place of the server's."""
    hang_up: str | None = None
    """When the connection ends without an answer. "before" the body is read; "unread": once it was, but nobody has done
    anything; "after" the server has done it."""
    cut_after: int | None = None
    """This many bytes of the server's response body are passed on, then the connection ends."""
    reached: threading.Event | None = None
    """Set when the request is there."""
    hold: bool = False
    """The request is left without an answer until the client goes."""
    until: threading.Event | None = None
    """The request is passed on when this is set."""


def answer(status: str, body: str = "", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


OVERLOADED = answer("503 Service Unavailable", '{"error":"overloaded"}', Retry_After="1", X_Request_Id="r-1")


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


class ScriptedServer:
    """Passes requests on to a real server, one a connection, but for those that a rule matches."""

    def __init__(self, upstream: str, *rules: Rule, port: int = 0) -> None:
        self.upstream = upstream
        self.rules = list(rules)
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        scripted = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                scripted.serve(self.connection)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def count(self, match: str) -> int:
        """How many requests there were of this "METHOD /path" pattern."""
        with self._lock:
            return sum(1 for one in self.seen if re.fullmatch(match, f"{one.method} {one.path}"))

    def _rule(self, line: str) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if rule.times > 0 and re.fullmatch(rule.match, line):
                    rule.times -= 1
                    return rule
        return None

    def serve(self, client: socket.socket) -> None:
        with client.makefile("rb") as incoming:
            head = incoming.readline().split()
            if len(head) != 3:
                return
            method, path = head[0].decode(), head[1].decode()
            headers: dict[str, str] = {}
            while (line := incoming.readline()) not in (b"\r\n", b"\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            rule = self._rule(f"{method} {path}") or Rule("")
            body = b"" if rule.hang_up == "before" else incoming.read(int(headers.get("content-length", "0")))
        with self._lock:
            self.seen.append(Seen(method, path, headers, body))
        if rule.hang_up in ("before", "unread"):
            return
        if rule.reached is not None:
            rule.reached.set()
        if rule.hold:
            client.recv(1)
            return
        if rule.until is not None:
            assert rule.until.wait(30)
        if rule.answer is not None:
            client.sendall(rule.answer)
            return
        self._pass_on(client, method, path, headers, body, rule)

    def _pass_on(
        self, client: socket.socket, method: str, path: str, headers: Mapping[str, str], body: bytes, rule: Rule
    ) -> None:
        to = urlsplit(self.upstream)
        assert to.hostname is not None
        assert to.port is not None
        kept = {name: value for name, value in headers.items() if name not in ("connection", "host")}
        lines = [f"{method} {path} HTTP/1.1", f"Host: {to.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in kept.items()]
        with socket.create_connection((to.hostname, to.port)) as upstream:
            upstream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
            left = rule.cut_after
            response = b""
            while chunk := upstream.recv(65536):
                response += chunk
                if rule.hang_up == "after":
                    continue  # until the server has done it
                if left is None:
                    client.sendall(chunk)
                    continue
                at = response.find(b"\r\n\r\n")
                if at >= 0 and len(response) >= at + 4 + left:
                    client.sendall(response[: at + 4 + left])
                    return


def detail(url: str, replay_id: str) -> dict[str, object]:
    reply = httpx.get(f"{url}/v1/replays/{replay_id}")
    assert reply.status_code == 200, reply.text
    return reply.json()


def replays_of(url: str, conversation_hash: str) -> list[dict[str, object]]:
    reply = httpx.get(f"{url}/v1/conversations/{conversation_hash}/replays")
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


def conversation_count(url: str) -> int:
    reply = httpx.get(f"{url}/v1/conversations", params={"limit": 500})
    assert reply.status_code == 200, reply.text
    return len(reply.json()["items"])
