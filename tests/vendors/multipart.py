# SPDX-License-Identifier: Apache-2.0
"""multipart/form-data (RFC 7578), read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TYPE = re.compile(r'multipart/form-data;\s*boundary=(?:"([^"]{1,70})"|([!-~]{1,70}))\s*', re.IGNORECASE)
_DISPOSITION = re.compile(r'form-data;\s*name="([^"]+)"(?:;\s*filename="([^"]*)")?', re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None

    @property
    def text(self) -> str:
        return self.data.decode()


def _part(raw: bytes) -> Part:
    head, separator, data = raw.partition(b"\r\n\r\n")
    if not separator:
        raise ValueError("a part without an empty line behind its headers")
    headers: dict[str, str] = {}
    for line in head.decode("ascii").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers:
            raise ValueError(f"a part has the header line {line!r}")
        headers[name.lower()] = value.strip()
    disposition = _DISPOSITION.fullmatch(headers.pop("content-disposition", ""))
    content_type = headers.pop("content-type", None)
    if not disposition or headers:
        raise ValueError(f"a part needs Content-Disposition: form-data; name=..., and has {head!r}")
    return Part(disposition[1], data, disposition[2], content_type)


def parse(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts in their order; ValueError for anything irregular, text before the first or behind the last too."""
    found = _TYPE.fullmatch(content_type)
    if not found:
        raise ValueError(f"no boundary in {content_type!r}")
    mark = b"--" + (found[1] or found[2]).encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 3 or pieces[0] or pieces[-1] not in (b"--", b"--\r\n"):
        raise ValueError("the boundaries are not where they belong")
    if not all(piece.startswith(b"\r\n") for piece in pieces[1:-1]):
        raise ValueError("a boundary does not end its line")
    return tuple(_part(piece[2:]) for piece in pieces[1:-1])
