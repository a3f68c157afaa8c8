# SPDX-License-Identifier: Apache-2.0
"""An xrayd whose providers are the fake vendors; conversations and recordings by which a request can be told from all
others; and everything such a server says or keeps, to look for keys in it."""

from __future__ import annotations

import array
import io
import json
import subprocess
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import httpx

from api import Api, Json, silence, tone, wav
from servers import servers
from vendors import Call, Vendor, Vendors
from vendors.names import VARIABLES, VERSIONS
from xrayd_process import Xrayd

# Like real ones, and with no 8 characters in a row that anything else has.
KEYS: Mapping[Vendor, str] = {
    "openai": "sk-proj-Vq7ZtN4xKw9RbYm2HdLs6TfJc",
    "google": "AIzaSyGk3WpXn8QvUz5CeRh1TjLo7MbDs",
    "mistral": "Xy4TnRw8KqLz2VbHs6JmPd9FgCu3Ae",
}
PIECE = 8  # so many characters of a key are a part of it
ONSET_MS = 9  # a turn is heard so much longer than its tone is
CALLERS = 48  # threads of `together`

T = TypeVar("T")
R = TypeVar("R")


# --- what is said ---


@cache
def _quarter() -> array.array[int]:
    return tone(0.25)  # whole periods of all that is in it, so that it can be repeated


def sound(ms: int) -> array.array[int]:
    quarter, n = _quarter(), ms * 48
    return (quarter * (n // len(quarter) + 1))[:n]


def roles(turns: int) -> list[str]:
    """By turns; the agent has the last word."""
    return ["agent" if (turns - i) % 2 else "user" for i in range(turns)]


@cache
def recording(*turns_ms: int) -> bytes:
    """Of turns that are as long as that."""
    lead, gap = silence(0.1), silence(0.4)
    left, right = lead[:], lead[:]
    for role, ms in zip(roles(len(turns_ms)), turns_ms, strict=True):
        said = sound(ms) + gap
        unsaid = array.array("h", bytes(2 * len(said)))
        left.extend(said if role == "user" else unsaid)
        right.extend(said if role == "agent" else unsaid)
    return wav([left, right])


def is_turn(ms: int) -> Callable[[Call], bool]:
    """Of a request to transcribe: is it that turn?"""
    return lambda call: call.audio is not None and abs(call.audio.ms - ms - ONSET_MS) <= 5


class Durations:
    """Turns that a request can be told by, each for one user at a time."""

    def __init__(self, count: int = CALLERS) -> None:
        self._free: SimpleQueue[int] = SimpleQueue()
        for i in range(count):
            self._free.put(300 + 20 * i)

    @contextmanager
    def one(self) -> Iterator[int]:
        ms = self._free.get()
        yield ms
        self._free.put(ms)


def talk(turns: int = 1, *references: str, name: str = "talk") -> Json:
    """What such a recording is held against, with judges."""
    judges = [{"kind": "text_match", "reference": reference} for reference in references]
    spec: Json = {"name": name, "turns": [{"role": role} for role in roles(turns)]}
    return spec | ({"judges": judges} if judges else {})


def spoken_talk(*texts: str, name: str = "spoken") -> Json:
    return {"name": name, "turns": [{"role": "user", "text": text, "audio": {"kind": "tts"}} for text in texts]}


def together(do: Callable[[T], R], work: Sequence[T]) -> list[R]:
    """All of it at once, as far as there are threads; results in the order of the work."""
    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(do, work))


# --- the server ---


class Listener(Api):
    """Keeps every response it has seen, and may be used by many threads."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: list[str] = []
        hooks = {"response": [*self.http.event_hooks["response"], self._keep]}
        self.http.close()
        # httpx may close a connection that is one too many, or too old, just when another thread has chosen it.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
        self.http = httpx.Client(base_url=url, timeout=60, event_hooks=hooks, limits=limits, trust_env=False)

    def _keep(self, reply: httpx.Response) -> None:
        self.seen.append(f"{reply.status_code} {reply.headers}")
        if not reply.headers.get("content-type", "").startswith("text/event-stream"):
            self.seen.append(reply.read().decode("latin-1"))

    def events(self, replay: str) -> Iterator[tuple[str, Json]]:
        for name, data in super().events(replay):
            self.seen.append(f"{name} {json.dumps(data, ensure_ascii=False)}")
            yield name, data

    def spoken(self, conversation: str, turn: int = 0) -> tuple[int, array.array[int]]:
        """A turn's rate and samples."""
        reply = self.http.get(f"/v1/conversations/{conversation}/turns/{turn}/audio")
        assert reply.status_code == 200, reply.text
        with wave.open(io.BytesIO(reply.content)) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            return file.getframerate(), array.array("h", file.readframes(file.getnframes()))

    def begin(self, conversation: str, audio: bytes) -> str:
        """A replay whose analysis has begun."""
        replay = self.new_replay(conversation)
        assert self.upload(replay, audio).status_code == 200
        assert self.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        return replay

    def retry(self, replay: str) -> Json:
        reply = self.http.post(f"/v1/replays/{replay}/retry")
        assert reply.status_code == 202, reply.text
        return self.verdict(replay)


def all_stages(api: Listener) -> Json:
    """A conversation that is spoken, and a replay that is transcribed and judged: its detail."""
    assert api.conversation(spoken_talk("Good evening.")).status_code == 200
    replay = api.begin(api.new_conversation(talk(1, "The agent helps.")), recording(400))
    end = api.verdict(replay)
    assert end["type"] == "evaluation_complete", end
    assert end["result"]["passed"] is True
    return api.detail(replay)


@contextmanager
def cloud(data_dir: Path, vendors: Vendors, env: Mapping[str, str]) -> Iterator[tuple[Xrayd, Listener]]:
    """A server with that environment. Its requests to the fake must all have been what the vendors' references say."""
    with servers(data_dir) as start:
        server = start(env=dict(env))
        with Listener(server.url) as api:
            yield server, api
    refused = [] if vendors.expect_refusals else vendors.refused
    assert not refused, "\n".join(str(call) for call in refused)


def base_url(vendors: Vendors, vendor: Vendor) -> dict[str, str]:
    return {f"{VARIABLES[vendor]}_BASE_URL": vendors.url(vendor)}


def endpoint(vendors: Vendors, vendor: Vendor) -> str:
    return f"{vendors.url(vendor)}{VERSIONS[vendor]}"


# --- what must not be found ---


def pieces(secret: str) -> list[str]:
    """Every part of it that is long enough to matter, as it is and as JSON may write it. What all keys of a vendor have
    in common is no secret."""
    start = next((len(p) for p in ("sk-proj-", "AIzaSy") if secret.startswith(p)), 0)
    plain = [secret[at : at + PIECE] for at in range(start, len(secret) - PIECE + 1)]
    return plain + ["".join(f"\\u{ord(c):04x}" for c in piece) for piece in plain]


@dataclass
class Traces:
    """All that a server left, by where. Made once it has stopped; `command` runs with its environment."""

    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def add(self, name: str, text: bytes | str) -> None:
        self.texts[name] = text.encode() if isinstance(text, str) else text

    def places(self, needles: Iterable[str]) -> set[str]:
        """Where one of them is."""
        encoded = [needle.encode() for needle in needles]
        return {name for name, text in self.texts.items() if any(needle in text for needle in encoded)}


def output_of(server: Xrayd, command: str, env: Mapping[str, str]) -> str:
    variables = {"XRAY_DATA_DIR": str(server.data_dir), **env}
    ended = subprocess.run([server.binary, command], env=variables, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def traces_of(server: Xrayd, api: Listener, env: Mapping[str, str]) -> Traces:
    """While it runs, as the write-ahead logs are there only then."""
    found = Traces()
    for command in ("jobs", "--check-config"):
        found.add(command, output_of(server, command, env))
    for path in sorted(server.data_dir.rglob("*")):
        if path.is_file():
            found.add(str(path.relative_to(server.data_dir)), path.read_bytes())
    found.add("responses", "\n".join(api.seen))
    assert server.stop() == 0
    for name in ("xray.db", "queue.db"):
        found.add(f"{name} at rest", (server.data_dir / name).read_bytes())
    found.add("log", "".join(server.raw_log))
    return found
