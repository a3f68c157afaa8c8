# SPDX-License-Identifier: Apache-2.0
"""Checks of JSON values, made of the request types in the vendors' own Python packages.

`Shape.of(annotation)` turns a type into a check: openai's TypedDicts, pydantic models of google-genai and mistralai.
The packages let unknown fields pass in places; the checks never do. A field's check is made when a request first has
the field. A type that is not understood is a TypeError then, not a check that lets everything pass.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import enum
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import typing_extensions
from pydantic import BaseModel

Where = tuple[str | int, ...]
Kind = Literal["missing", "unknown", "type", "value"]


@dataclass(frozen=True)
class Problem:
    kind: Kind
    where: Where
    message: str

    @property
    def path(self) -> str:
        """As JSON paths are written: messages[0].role"""
        text = ""
        for step in self.where:
            text += f"[{step}]" if isinstance(step, int) else f".{step}"
        return text.removeprefix(".")


Check = Callable[[Any, Where], Problem | None]


@dataclass(frozen=True)
class Field:
    name: str  # the one to report
    check: Check
    required: bool
    repeated: bool  # a list: in a form, several parts


_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_UNIONS = (typing.Union, types.UnionType)
_NOT_ON_THE_WIRE = {"UnrecognizedStr", "UnrecognizedInt", "Unset"}
_MARKS = {typing_extensions.Required, typing_extensions.NotRequired, typing.Required, typing.NotRequired}


def _wrong(where: Where, wanted: str, value: Any) -> Problem:
    return Problem("type", where, f"expected {wanted}, got {type(value).__name__}")


def _anything(_value: Any, _where: Where) -> Problem | None:
    return None


def _a(wanted: str, fits: Callable[[Any], bool]) -> Check:
    return lambda value, where: None if fits(value) else _wrong(where, wanted, value)


def _null(value: Any, where: Where) -> Problem | None:
    return None if value is None else Problem("value", where, "expected null")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def from_base64(text: str) -> bytes:
    """Of either alphabet, as JSON of protocol buffers has it, padded; ValueError for all else."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _is_base64(value: Any) -> bool:
    try:
        from_base64(value)
    except (AttributeError, ValueError):  # no string, or none of base64
        return False
    return True


_PLAIN: Mapping[Any, Check] = {
    Any: _anything,
    object: _anything,
    None: _null,
    type(None): _null,
    bool: _a("a boolean", lambda v: isinstance(v, bool)),
    int: _a("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    float: _a("a number", _is_number),
    str: _a("a string", lambda v: isinstance(v, str)),
    bytes: _a("base64", _is_base64),
}


def _one_of(values: tuple[Any, ...]) -> Check:
    listed = ", ".join(repr(v) for v in values)

    def check(value: Any, where: Where) -> Problem | None:
        if any(value == known and type(value) is type(known) for known in values):
            return None
        return Problem("value", where, f"expected one of {listed}")

    return check


def _either(checks: list[Check]) -> Check:
    def check(value: Any, where: Where) -> Problem | None:
        problems: list[Problem] = []
        for one in checks:
            problem = one(value, where)
            if problem is None:
                return None
            problems.append(problem)
        # Of the alternative that came furthest; one that fails by a value is likely to be told apart by it (a role).
        return max(problems, key=lambda problem: (len(problem.where), problem.kind != "value"))

    return check


def _list_of(item: Check) -> Check:
    def check(value: Any, where: Where) -> Problem | None:
        if not isinstance(value, list):
            return _wrong(where, "an array", value)
        items = typing.cast("list[Any]", value)
        return next((p for i, v in enumerate(items) if (p := item(v, (*where, i)))), None)

    return check


def _map_of(item: Check) -> Check:
    def check(value: Any, where: Where) -> Problem | None:
        if not isinstance(value, dict):
            return _wrong(where, "an object", value)
        items = typing.cast("dict[str, Any]", value)
        return next((p for k, v in items.items() if (p := item(v, (*where, k)))), None)

    return check


def _object_of(fields: Mapping[str, Field]) -> Check:
    """fields: by every name that a field may have."""

    def check(value: Any, where: Where) -> Problem | None:
        if not isinstance(value, dict):
            return _wrong(where, "an object", value)
        members = typing.cast("dict[str, Any]", value)
        seen: set[str] = set()
        for name, member in members.items():
            field = fields.get(name)
            if field is None:
                return Problem("unknown", (*where, name), "unknown field")
            if field.name in seen:
                return Problem("value", (*where, name), "given twice")
            seen.add(field.name)
            if problem := field.check(member, (*where, name)):
                return problem
        missing = next((f.name for f in fields.values() if f.required and f.name not in seen), None)
        return Problem("missing", (*where, missing), "field required") if missing else None

    return check


class _Compiler:
    """Types may contain themselves, so the check of a field is made when it is first used."""

    def __init__(self) -> None:
        self.made: dict[Any, Check] = {}
        self.fields: dict[Any, Mapping[str, Field]] = {}

    def check(self, annotation: Any) -> Check:
        annotation = _meant(annotation)
        plain = _PLAIN.get(annotation) if isinstance(annotation, collections.abc.Hashable) else None
        return plain or self._generic(annotation) or self._named(annotation)

    def _generic(self, annotation: Any) -> Check | None:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is None:
            return None
        if origin is typing.Annotated or origin in _MARKS:
            return self.check(args[0])
        if origin in _UNIONS:
            return _either([self.check(a) for a in args if getattr(a, "__name__", "") not in _NOT_ON_THE_WIRE])
        if origin in (typing.Literal, typing_extensions.Literal):
            return _one_of(args)
        if origin in _MAPPINGS:
            return _map_of(self.check(args[1]))
        if origin in _LISTS or origin.__name__ == "SequenceNotStr":
            return _list_of(self.check(args[0]))
        raise TypeError(f"{annotation!r} is not understood")

    def _named(self, annotation: Any) -> Check:
        if annotation in _MAPPINGS:
            return _map_of(_anything)
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            return _one_of(tuple(member.value for member in annotation))
        if annotation not in self.made:
            self.made[annotation] = _object_of(self.fields_of(annotation))
        return self.made[annotation]

    def fields_of(self, annotation: Any) -> Mapping[str, Field]:
        if annotation not in self.fields:
            if typing_extensions.is_typeddict(annotation):
                self.fields[annotation] = self._of_typed_dict(annotation)
            elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
                self.fields[annotation] = self._of_model(annotation)
            else:
                raise TypeError(f"{annotation!r} is not understood")
        return self.fields[annotation]

    def _of_typed_dict(self, annotation: Any) -> Mapping[str, Field]:
        fields: dict[str, Field] = {}
        for key, hint in typing_extensions.get_type_hints(annotation, include_extras=True).items():
            # Their modules postpone annotations, so __required_keys__ does not know which are Required.
            required = typing.get_origin(hint) in (typing_extensions.Required, typing.Required)
            inner = typing.get_args(hint)[0] if required else hint
            name = _alias(inner) or key
            fields[name] = Field(name, self._lazily(inner), required, _is_repeated(inner))
        return fields

    def _of_model(self, model: type[BaseModel]) -> Mapping[str, Field]:
        fields: dict[str, Field] = {}
        for key, info in model.model_fields.items():
            name = info.alias or key
            field = Field(name, self._lazily(info.annotation), info.is_required(), _is_repeated(info.annotation))
            fields[name] = field
            if model.__module__.startswith("google."):
                fields[key] = field  # JSON of protocol buffers: both spellings are valid
        return fields

    def _lazily(self, annotation: Any) -> Check:
        made: list[Check] = []

        def check(value: Any, where: Where) -> Problem | None:
            if not made:
                made.append(self.check(annotation))
            return made[0](value, where)

        return check


def _meant(annotation: Any) -> Any:
    """What an alias stands for, its parameters filled in."""
    origin = typing.get_origin(annotation)
    if isinstance(origin, typing_extensions.TypeAliasType):
        return _meant(origin.__value__[typing.get_args(annotation)])
    return _meant(annotation.__value__) if isinstance(annotation, typing_extensions.TypeAliasType) else annotation


def _alias(annotation: Any) -> str | None:
    if typing.get_origin(annotation) is not typing.Annotated:
        return None
    return next((m.alias for m in typing.get_args(annotation)[1:] if getattr(m, "alias", None)), None)


def _is_repeated(annotation: Any) -> bool:
    annotation = _meant(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _UNIONS or origin is typing.Annotated or origin in _MARKS:
        return any(_is_repeated(arg) for arg in args)
    return origin in _LISTS or getattr(origin, "__name__", "") == "SequenceNotStr"


_COMPILER = _Compiler()


@dataclass(frozen=True)
class Shape:
    fields: Mapping[str, Field]
    _check: Check

    @staticmethod
    def of(*annotations: Any) -> Shape:
        """Of a request's type; of several, the fields of all (openai has what is common in a base)."""
        fields: dict[str, Field] = {}
        for annotation in annotations:
            fields |= _COMPILER.fields_of(annotation)
        return Shape(fields, _object_of(fields))

    def check(self, value: Any) -> Problem | None:
        return self._check(value, ())

    def check_text(self, name: str, text: str) -> Problem | None:
        """A form's field, where numbers and booleans are text too."""
        field = self.fields[name]
        readings: list[Any] = [[text] if field.repeated else text]
        if text in ("true", "false"):
            readings.append(text == "true")
        with contextlib.suppress(ValueError):
            readings.append(float(text))
        problems = [field.check(reading, (name,)) for reading in readings]
        return None if None in problems else problems[0]


def values_of(annotation: Any) -> frozenset[str]:
    """The strings that a union of literals names."""
    annotation = _meant(annotation)
    if typing.get_origin(annotation) in (typing.Literal, typing_extensions.Literal):
        return frozenset(typing.get_args(annotation))
    return frozenset[str]().union(*(values_of(arg) for arg in typing.get_args(annotation)))
