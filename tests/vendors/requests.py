# SPDX-License-Identifier: Apache-2.0
"""What the vendors' endpoints have in common: bodies are read strictly, and checked against a shape."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from vendors import multipart
from vendors.answers import Refused, wrong
from vendors.audio import Wav, read_wav
from vendors.calls import Call
from vendors.multipart import Part
from vendors.script import Script
from vendors.shapes import Problem, Shape


@dataclass
class Settings:
    """What a test may choose about all vendors."""

    script: Script = field(default_factory=Script)
    models: frozenset[str] | None = None  # None: every name is known
    any_voice: bool = False  # as local model servers have voices of their own

    def check_model(self, name: str) -> None:
        if self.models is not None and name not in self.models:
            raise Refused("model", 404, f"The model `{name}` does not exist or you do not have access to it.", "model")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name comes twice in an object")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def media_type(call: Call) -> str:
    return (call.header("content-type") or "").partition(";")[0].strip().lower()


def json_of(call: Call) -> Any:
    """The body as JSON: UTF-8, every name once, numbers that are numbers."""
    if media_type(call) != "application/json":
        raise Refused("type", 415, f"Unsupported content type: {call.header('content-type')!r}")
    try:
        value = json.loads(call.body.decode(), object_pairs_hook=_pairs, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is not text
    except (ValueError, RecursionError) as error:
        raise wrong(f"We could not parse the JSON body of your request: {error}") from error
    call.json = value
    return value


def refuse(problem: Problem | None) -> None:
    if problem:
        raise Refused("body", 422, problem.message, problem.path or None, problem=problem)


def json_like(call: Call, shape: Shape) -> dict[str, Any]:
    value = json_of(call)
    refuse(shape.check(value))
    return value


def form_of(call: Call) -> tuple[Part, ...]:
    if media_type(call) != "multipart/form-data":
        raise Refused("type", 415, f"Unsupported content type: {call.header('content-type')!r}")
    try:
        call.form = multipart.parse(call.header("content-type") or "", call.body)
    except ValueError as error:
        raise wrong(f"Could not parse multipart form: {error}") from error
    return call.form


def form_like(call: Call, shape: Shape, *, brackets: bool) -> dict[str, Any]:
    """Fields by their name in the shape, without the file. brackets: how a list's name is written, "name[]"."""
    found: dict[str, Any] = {}
    names = {f"{f.name}[]" if f.repeated and brackets else f.name: f for f in shape.fields.values()}
    for part in form_of(call):
        known = names.get(part.name)
        if known is None:
            refuse(Problem("unknown", (part.name,), "unknown field"))
        elif known.name != "file":
            _take(found, shape, known.name, known.repeated, _text_of(part))
    for name in ("model", "file"):
        if name not in [part.name for part in call.form]:
            refuse(Problem("missing", (name,), "field required"))
    return found


def _text_of(part: Part) -> str:
    if part.filename is not None or part.content_type is not None:
        raise wrong("a field is not a file", part.name)
    try:
        return part.text
    except UnicodeDecodeError as error:
        raise wrong("not UTF-8", part.name) from error


def _take(found: dict[str, Any], shape: Shape, name: str, repeated: bool, text: str) -> None:
    refuse(shape.check_text(name, text))
    if repeated:
        found.setdefault(name, []).append(text)
    elif name in found:
        raise wrong("given twice", name)
    else:
        found[name] = text


_WAV_TYPES = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "application/octet-stream")


def file_of(call: Call) -> Wav:
    """The form's recording."""
    files = [part for part in call.form if part.name == "file"]
    if len(files) != 1 or not files[0].filename:
        raise wrong("one file with a file name is needed", "file")
    if not files[0].filename.lower().endswith(".wav") or files[0].content_type not in _WAV_TYPES:
        raise wrong(f"{files[0].filename!r} of type {files[0].content_type!r} is no WAV file", "file")
    return wav_of(call, files[0].data, "file")


def wav_of(call: Call, data: bytes, param: str) -> Wav:
    try:
        call.audio = read_wav(data)
    except ValueError as error:
        raise wrong(f"The audio file could not be decoded or its format is not supported: {error}", param) from error
    return call.audio


def member(value: Any, *names: str) -> Any:
    """Of an object in an object; None where there is none."""
    for name in names:
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value


def items(value: Any, *names: str) -> list[Any]:
    """The same for an array; empty where there is none."""
    found = member(value, *names)
    return cast("list[Any]", found) if isinstance(found, list) else []


def check_range(body: dict[str, Any], name: str, low: float, high: float) -> None:
    value = body.get(name)
    if value is not None and not low <= float(value) <= high:
        raise wrong(f"expected a value from {low:g} to {high:g}, got {value}", name)
