# SPDX-License-Identifier: Apache-2.0
"""Joining: when the user begins to speak, who may hear it first, and what is shown of the secrets."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from calls import ANSWER, QUESTION, REPLAY, call, new_room, runtime, with_agent
from livekit import api, rtc
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import find_all, samples

from xray.conversation import Turn
from xray.errors import AgentNotJoinedError, XrayError
from xray.runtime import _room
from xray.runtime._room import call as call_module
from xray.runtime._room.joining import Secret, token
from xray.runtime.livekit import LiveKitRuntime
from xray.runtime.livekit_live import LiveKitLiveRuntime

pytestmark = pytest.mark.room

ONE = [Turn.user("question"), Turn.agent()]
STATE = "lk.agent.state"
# Longer than the silence before the first turn, so that a user who does not wait has begun by then.
SLOW_S = 2.5


async def answers(agent: ScriptedAgent) -> None:
    await agent.user_spoke()
    await agent.say(ANSWER)


def test_who_else_hears_the_user_does_not_begin_the_call(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    """The agent subscribes late; somebody else would at once."""
    order: list[ScriptedAgent] = []

    def subscribed(who: ScriptedAgent, _track: object, _publication: object, of: Any) -> None:
        if of.identity == "xray-driver":
            order.append(who)

    async def go() -> bytes:
        room, subscribes = new_room(), asyncio.Event()
        async with (
            ScriptedAgent(livekit_server, room, identity="egress", kind="standard", publish=False) as other,
            ScriptedAgent(livekit_server, room, subscribes=subscribes) as agent,
        ):
            for who in (other, agent):
                events: Any = who.room
                events.on("track_subscribed", partial(subscribed, who))

            async def act(agent: ScriptedAgent) -> None:
                await asyncio.sleep(SLOW_S)
                subscribes.set()
                await answers(agent)

            await with_agent(agent, act, call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))
            assert order == [agent, other]
            return bytes(agent.heard)

    find_all(samples(asyncio.run(asyncio.wait_for(go(), 20))), samples(QUESTION))


@pytest.mark.parametrize(
    ("identity", "attributes", "publishes"),
    [
        ("agent", {STATE: "initializing"}, True),
        ("agent", {"lk.agent.name": "booker"}, False),
        ("agent-AJ_8kX2abcDEf", {}, False),
    ],
)
def test_an_agent_that_listens_later_than_it_joins_hears_the_first_word(
    livekit_server: LiveKitServer, tmp_path: Path, identity: str, attributes: dict[str, str], publishes: bool
) -> None:
    """As agents of LiveKit Agents do while they load their models."""

    async def go() -> bytes:
        room, listens = new_room(), asyncio.Event()
        async with ScriptedAgent(
            livekit_server, room, identity=identity, listens=listens, is_told=attributes, publish=publishes
        ) as agent:

            async def act(agent: ScriptedAgent) -> None:
                await agent.user_came.wait()
                await asyncio.sleep(SLOW_S)
                listens.set()
                if publishes or attributes:
                    await agent.room.local_participant.set_attributes({STATE: "listening"})
                if not publishes:
                    await agent.add_track("voice")
                await answers(agent)

            await with_agent(agent, act, call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))
            return bytes(agent.heard)

    find_all(samples(asyncio.run(asyncio.wait_for(go(), 20))), samples(QUESTION))


def test_an_agent_that_never_says_that_it_listens_is_spoken_to(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(call_module, "_READY_TIMEOUT_S", 0.3)

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room, is_told={STATE: "initializing"}) as agent:
            await with_agent(agent, answers, call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))

    asyncio.run(go())
    assert "has not said that it listens" in caplog.text


def test_an_agent_that_never_subscribes_is_spoken_to(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(call_module, "_SUBSCRIBED_TIMEOUT_S", 0.3)

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room, subscribes=asyncio.Event()):
            await call(runtime(livekit_server, room, tmp_path), [Turn.user("question")], {0: QUESTION})

    asyncio.run(go())
    assert "no agent in room" in caplog.text


def test_an_agent_is_dispatched_by_its_name(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    async def go() -> list[str]:
        room = new_room()
        driver = runtime(livekit_server, room, tmp_path, agent_name="booker", agent_join_timeout_s=1)
        running = asyncio.ensure_future(call(driver, ONE, {0: QUESTION}))
        try:
            async with api.LiveKitAPI(livekit_server.url, livekit_server.api_key, livekit_server.api_secret) as client:
                names: list[str] = []
                while not names and not running.done():
                    names = [found.agent_name for found in await client.agent_dispatch.list_dispatch(room)]
                    await asyncio.sleep(0.02)
                return names
        finally:
            with pytest.raises(AgentNotJoinedError):
                await running

    assert asyncio.run(go()) == ["booker"]


def everything_shown(error: BaseException) -> Iterator[str]:
    """What a report with locals prints of an error, of those that led to it, and of all frames but this file's."""
    for link in (error, error.__cause__, error.__context__):
        if link is not None:
            yield repr(link)
            if link is not error:
                yield from everything_shown(link)
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            for name, value in trace.tb_frame.f_locals.items():
                with contextlib.suppress(AttributeError):  # an object that its constructor did not finish
                    yield f"{name} = {value!r}"
        trace = trace.tb_next


@pytest.mark.parametrize("refused", ["by the server", "by nobody", "an argument", "no room"])
def test_no_traceback_shows_a_secret_and_no_log(
    livekit_server: LiveKitServer, tmp_path: Path, refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    key, secret = livekit_server.api_key, "not-the-one-that-it-knows" * 2

    async def go() -> None:
        url = livekit_server.url if refused == "by the server" else "ws://127.0.0.1:9"
        options: dict[str, Any] = {"agent_silence_ms": 0} if refused == "an argument" else {}
        driver = LiveKitRuntime(url, key, secret, "" if refused == "no room" else "r", cache_root=tmp_path, **options)
        driver.bind(**REPLAY)
        await call(driver, ONE, {0: QUESTION})

    with pytest.raises((XrayError, ValueError)) as caught:
        asyncio.run(go())
    shown = "\n".join(everything_shown(caught.value))
    assert "self = " in shown
    shown += caplog.text
    assert secret not in shown
    assert key not in shown
    assert "eyJ" not in shown  # how every token begins


def test_a_live_session_shows_no_secret_either() -> None:
    with pytest.raises(ValueError, match="agent_audio_timeout_s") as caught:
        LiveKitLiveRuntime("ws://x", "the-key", "the-secret", "r", agent_audio_timeout_s=0)
    shown = "\n".join(everything_shown(caught.value))
    assert "the-secret" not in shown
    assert "the-key" not in shown


def test_a_token_is_good_for_minutes() -> None:
    made = token(
        api,  # pyright: ignore[reportArgumentType]
        api_key=Secret("key"),
        api_secret=Secret("s" * 40),
        room="r",
        identity="i",
        attributes={},
        sip=False,
        agent_name=None,
    )
    body = made.reveal().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["exp"] - claims["nbf"] == 600
    assert made.reveal() not in repr(made)


def used_of_rtc() -> set[str]:
    """Every `rtc.A.B` in the runtime's sources, however the module is reached."""
    names: set[str] = set()
    for path in Path(_room.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts: list[str] = []
            while isinstance(node, ast.Attribute):
                parts.insert(0, node.attr)
                node = node.value
            if isinstance(node, ast.Name) and [node.id, *parts[:1]] == ["self", "_rtc"]:
                names.add(".".join(parts[1:]))
            elif isinstance(node, ast.Name) and node.id == "rtc":
                names.add(".".join(parts))
    return names - {""}


def test_every_name_that_is_used_of_livekit_exists() -> None:
    """`rtc` is untyped there, so that nobody else would notice."""
    used = used_of_rtc()
    assert "Room" in used
    assert "TrackKind.KIND_AUDIO" in used
    for name in used:
        found: Any = rtc
        for part in name.split("."):
            found = getattr(found, part)


def test_times_and_audio_are_checked() -> None:
    for value in (0, -1, float("nan"), float("inf"), True, "1"):
        for name in ("agent_join_timeout_s", "agent_turn_timeout_s", "agent_silence_ms"):
            options: dict[str, Any] = {name: value}
            with pytest.raises(ValueError, match=name):
                LiveKitRuntime("ws://x", "k", "s", "r", **options)
        for name in ("agent_join_timeout_s", "agent_audio_timeout_s"):
            options = {name: value}
            with pytest.raises(ValueError, match=name):
                LiveKitLiveRuntime("ws://x", "k", "s", "r", **options)
    with pytest.raises(ValueError, match="turn 0 has 3 bytes"):
        LiveKitRuntime("ws://x", "k", "s", "r").inject_user_audio({0: b"abc"})
