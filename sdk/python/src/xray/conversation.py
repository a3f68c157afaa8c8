# SPDX-License-Identifier: Apache-2.0
"""What a run is made of: the conversation's script, its checks, its judges.

All frozen; wrong arguments are a ValueError where they are written, with the same limits as the server's (lengths count
UTF-16 code units).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

__all__ = ["Assertion", "Conversation", "Judge", "RecordedAudio", "Role", "RunConfig", "TtsAudio", "Turn"]

_MAX_NESTING: Final = 64
_MAX_INTEGER: Final = 2**53 - 1


class Role(str, Enum):
    """Who speaks. A `str`: `Role.USER == "user"`."""

    USER = "user"
    AGENT = "agent"

    def __str__(self) -> str:
        return self.value


def _text(what: str, value: object, *, least: int, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be a string, not {type(value).__name__}")
    try:
        units = len(value.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise ValueError(f"{what} has an unpaired surrogate") from None
    if not least <= units <= most:
        raise ValueError(f"{what} must have {least} to {most} UTF-16 code units, it has {units}")
    return value


def _integer(what: str, value: object, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} must be an integer, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{what} must be {least} to {most}, it is {value}")
    return value


def _boolean(what: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be True or False, not {type(value).__name__}")
    return value


def _items(what: str, value: object, kind: type[Any], *, most: int) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise ValueError(f"{what} must be a sequence of {kind.__name__}")
    items = tuple(cast("Sequence[object]", value))
    for i, item in enumerate(items):
        if not isinstance(item, kind):
            raise ValueError(f"{what}[{i}] must be a {kind.__name__}, not {type(item).__name__}")
    if len(items) > most:
        raise ValueError(f"{what} must be at most {most}, they are {len(items)}")
    return items


def _json_object(what: str, value: object) -> dict[str, Any]:
    """A copy of `value` as plain JSON types, so that later changes of the caller's do not reach a frozen object."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a mapping, not {type(value).__name__}")
    return _json_members(what, cast("Mapping[object, object]", value), 1)


def _json_members(what: str, value: Mapping[object, object], depth: int) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"{what} has a key that is no string: {key!r}")
        copy[str(_text(f"a key of {what}", key, least=0, most=_MAX_INTEGER))] = _json_value(what, item, depth)
    return copy


def _json_value(what: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Every number is a double to the server.
        if abs(value) > sys.float_info.max:
            raise ValueError(f"{what} has an integer that no double can hold")
        return value
    if isinstance(value, str):
        return str(_text(what, value, least=0, most=_MAX_INTEGER))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{what} has {value}, which is no JSON number")
        return value
    if depth >= _MAX_NESTING:
        raise ValueError(f"{what} is nested deeper than {_MAX_NESTING} levels")
    if isinstance(value, Mapping):
        return _json_members(what, cast("Mapping[object, object]", value), depth + 1)
    if isinstance(value, (list, tuple)):
        return [_json_value(what, item, depth + 1) for item in cast("Sequence[object]", value)]
    raise ValueError(f"{what} has a {type(value).__name__}, which is no JSON value")


@dataclass(frozen=True)
class RecordedAudio:
    """A user turn that was recorded: the path of a 48 kHz mono 16-bit PCM WAV.

    The file is read when a run begins, not before; `AudioMissingError` is raised then if it is not there or is another
    format.
    """

    path: str | Path

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"the path of a recorded turn must be a str or a Path, not {type(self.path).__name__}")
        if not str(self.path) or "\0" in str(self.path):
            raise ValueError("the path of a recorded turn is empty or has a NUL")


@dataclass(frozen=True)
class TtsAudio:
    """A user turn that the server speaks, in the voice that its provider calls `voice_id`, or in its default one."""

    voice_id: str | None = None

    def __post_init__(self) -> None:
        if self.voice_id is not None:
            _text("voice_id", self.voice_id, least=0, most=1024)


@dataclass(frozen=True)
class Assertion:
    """A check of one turn. Made by the class methods; `params` are the fields of its kind."""

    kind: str
    params: Mapping[str, Any]

    @classmethod
    def contains(cls, text: str, *, case_insensitive: bool = True) -> Assertion:
        """The turn's transcript has this text."""
        return cls("contains", _containing(text, case_insensitive))

    @classmethod
    def not_contains(cls, text: str, *, case_insensitive: bool = True) -> Assertion:
        """The turn's transcript does not have this text."""
        return cls("not_contains", _containing(text, case_insensitive))

    @classmethod
    def equals(cls, text: str, *, case_insensitive: bool = True, trim: bool = True) -> Assertion:
        """The turn's transcript is this text, but for white space at its ends if `trim`."""
        checked = _text("text", text, least=0, most=2048)
        fold = _boolean("case_insensitive", case_insensitive)
        return cls("equals", {"text": checked, "case_insensitive": fold, "trim": _boolean("trim", trim)})

    @classmethod
    def regex(cls, pattern: str, *, flags: str = "") -> Assertion:
        """The turn's transcript matches, as JavaScript's `new RegExp(pattern, flags).test` says."""
        checked = _text("pattern", pattern, least=1, most=2048)
        if not isinstance(flags, str) or not re.fullmatch("[gimsuy]{0,8}", flags):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError('flags must be at most 8 letters of "gimsuy"')
        return cls("regex", {"pattern": checked, "flags": flags})

    @classmethod
    def tool_called(cls, name: str) -> Assertion:
        """The agent calls the tool of this name within the turn."""
        return cls("tool_called", {"name": _text("name", name, least=1, most=256)})

    @classmethod
    def tool_not_called(cls, name: str) -> Assertion:
        """The agent does not call the tool of this name within the turn."""
        return cls("tool_not_called", {"name": _text("name", name, least=1, most=256)})

    @classmethod
    def tool_args_match(cls, name: str, args: Mapping[str, Any]) -> Assertion:
        """The agent calls the tool with arguments that contain `args`: objects by subset, arrays whole."""
        return cls(
            "tool_args_match", {"name": _text("name", name, least=1, most=256), "args": _json_object("args", args)}
        )

    @classmethod
    def max_latency_ms(cls, max_ms: int) -> Assertion:
        """The agent answers within `max_ms` milliseconds of the user's end."""
        return cls("max_latency_ms", {"max_ms": _integer("max_ms", max_ms, least=1, most=_MAX_INTEGER)})

    @classmethod
    def max_ttft_ms(cls, max_ms: int) -> Assertion:
        """The agent's model gives its first token within `max_ms` milliseconds."""
        return cls("max_ttft_ms", {"max_ms": _integer("max_ms", max_ms, least=1, most=_MAX_INTEGER)})


def _containing(text: str, case_insensitive: bool) -> dict[str, Any]:
    checked = _text("text", text, least=1, most=2048)
    return {"text": checked, "case_insensitive": _boolean("case_insensitive", case_insensitive)}


@dataclass(frozen=True)
class Judge:
    """A judgement of the whole conversation. Made by the class method; `params` are the fields of its kind."""

    kind: str
    params: Mapping[str, Any]

    @classmethod
    def text_match(cls, reference: str, *, rubric: str | None = None, pass_score: int = 70) -> Judge:
        """A model scores the transcript against `reference`, 0 to 100; `pass_score` and more is a pass."""
        params: dict[str, Any] = {"reference": _text("reference", reference, least=1, most=8192)}
        if rubric is not None:
            params["rubric"] = _text("rubric", rubric, least=0, most=2048)
        params["pass_score"] = _integer("pass_score", pass_score, least=0, most=100)
        return cls("text_match", params)


@dataclass(frozen=True)
class Turn:
    """One side's turn. `Turn.user` is played to the agent, `Turn.agent` is waited for."""

    role: Role
    text: str | None = None
    key: str | None = None
    audio: RecordedAudio | TtsAudio | None = None
    assertions: Sequence[Assertion] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))
        if self.text is not None:
            _text("text", self.text, least=0, most=65536)
        if self.key is not None:
            _text("key", self.key, least=1, most=128)
        if self.audio is not None and not isinstance(self.audio, (RecordedAudio, TtsAudio)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"audio must be a RecordedAudio or a TtsAudio, not {type(self.audio).__name__}")
        if isinstance(self.audio, TtsAudio) and (self.role is not Role.USER or not self.text):
            raise ValueError("only a user turn with text can be spoken")
        object.__setattr__(self, "assertions", _items("assertions", self.assertions, Assertion, most=32))

    @classmethod
    def user(
        cls,
        text: str,
        *,
        key: str | None = None,
        audio: RecordedAudio | TtsAudio | None = None,
        assertions: Sequence[Assertion] = (),
    ) -> Turn:
        """What the user says. Without `audio` the server speaks it in its default voice.

        `key` names the turn in a way that stays when turns move.
        """
        _text("text", text, least=0, most=65536)
        return cls(Role.USER, text, key, TtsAudio() if audio is None else audio, assertions)

    @classmethod
    def agent(cls, *, key: str | None = None, assertions: Sequence[Assertion] = ()) -> Turn:
        """The agent's turn, and what is checked of it. It has no text: that is observed."""
        return cls(Role.AGENT, None, key, None, assertions)


@dataclass(frozen=True)
class Conversation:
    """A script. Two with the same turns and judges are the same conversation, whatever they are called."""

    name: str
    turns: Sequence[Turn]
    judges: Sequence[Judge] = ()
    live: bool = False

    def __post_init__(self) -> None:
        _text("name", self.name, least=1, most=256)
        _boolean("live", self.live)
        object.__setattr__(self, "turns", _items("turns", self.turns, Turn, most=1024))
        object.__setattr__(self, "judges", _items("judges", self.judges, Judge, most=8))
        if not self.turns and not self.live:
            raise ValueError("a conversation needs turns, unless it is live")


@dataclass(frozen=True)
class RunConfig:
    """What was run, to be remembered with the replay and shown beside it. It configures nothing.

    `extra` is any JSON; its entries stand beside `model` and `temperature`. Entries that are None are left out.
    """

    model: str | None = None
    temperature: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.model is not None:
            _text("model", self.model, least=0, most=_MAX_INTEGER)
        if self.temperature is not None:
            if isinstance(self.temperature, bool) or not isinstance(self.temperature, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"temperature must be a number, not {type(self.temperature).__name__}")
            _json_value("temperature", self.temperature, 0)
        object.__setattr__(self, "extra", _json_object("extra", self.extra))
        for name in ("model", "temperature"):
            if getattr(self, name) is not None and name in self.extra:
                raise ValueError(f"{name} is given twice: as an argument and in extra")

    def as_json(self) -> dict[str, Any]:
        """The object that is sent as `run_config`."""
        entries = {"model": self.model, "temperature": self.temperature} | {
            key: value for key, value in self.extra.items() if value is not None
        }
        return {key: value for key, value in entries.items() if value is not None}
