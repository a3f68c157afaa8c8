# SPDX-License-Identifier: Apache-2.0
"""Two recorded requests side by side, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from vendors.audio import read_wav
from vendors.calls import Call
from vendors.google_api import camel
from vendors.multipart import Part
from vendors.shapes import from_base64

# Of HTTP itself, or of a package that tells about itself.
_IGNORED = {"host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}
_TELEMETRY = ("x-stainless-", "x-goog-api-client")

# What the packages send beyond what was asked of them, with what the reference says is the default anyway. Theirs may
# have these; nothing else, and ours may not.
EXTRAS: Mapping[str, Mapping[str, Any]] = {
    "openai": {},
    "google": {
        "generationConfig.responseSchema.propertyOrdering": None,  # of any value: the order of the properties
        "systemInstruction.role": "user",
    },
    "mistral": {"stream": False, "diarize": False},
}


def compare(ours: Call, theirs: Call) -> list[str]:
    """One line a difference: "generationConfig.temperature: ours 1, theirs 0". Recordings count as equal if both are
    well-formed WAV files of the same rate."""
    ours_fields, theirs_fields = fields(ours), fields(theirs)
    extras = EXTRAS[theirs.vendor or "openai"]
    differences: list[str] = []
    for name in sorted(ours_fields.keys() | theirs_fields.keys()):
        if name not in ours_fields and _is_extra(name, theirs_fields[name], extras):
            continue
        if name not in ours_fields or name not in theirs_fields or ours_fields[name] != theirs_fields[name]:
            shown = [repr(f[name]) if name in f else "nothing" for f in (ours_fields, theirs_fields)]
            differences.append(f"{name}: ours {shown[0]}, theirs {shown[1]}")
    return differences


def _is_extra(name: str, value: Any, extras: Mapping[str, Any]) -> bool:
    if name in extras:
        # A form's are text.
        return str(value).lower() == str(extras[name]).lower()
    above = name.partition("[")[0]
    return above in extras and extras[above] is None


def fields(call: Call) -> dict[str, Any]:
    """All that is compared, by name."""
    found: dict[str, Any] = {"method": call.method, "path": call.path, "query": call.query}
    for name, value in call.headers:
        if name not in _IGNORED and not name.startswith(_TELEMETRY):
            found[f"header {name}"] = value
    found["content-type"] = (call.header("content-type") or "").partition(";")[0]
    if call.form:
        return found | _form(call.form)
    return found | dict(_leaves("", camel(call.json) if call.vendor == "google" else call.json))


def _form(form: tuple[Part, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in form:
        if part.filename is None:
            found.setdefault(part.name, "")
            found[part.name] = f"{found[part.name]} {part.text}".strip()
        else:
            found[part.name] = _recording(part.data)
            found[f"{part.name} type"] = part.content_type
            found[f"{part.name} name ends"] = part.filename.rpartition(".")[2]
    return found


def _recording(data: bytes) -> str:
    return f"a WAV of {read_wav(data).rate} Hz"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if members.get("mimeType") == "audio/wav":
            members = members | {"data": _recording(from_base64(members["data"]))}
        for key, member in members.items():
            yield from _leaves(f"{name}.{key}".removeprefix("."), member)
    elif isinstance(value, list):
        for i, item in enumerate(cast("list[Any]", value)):
            yield from _leaves(f"{name}[{i}]", item)
    else:
        yield name, value
