# SPDX-License-Identifier: Apache-2.0
"""An HTTP answer before it is sent, and why a request gets none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

from vendors.shapes import Problem

Fit = Literal["key", "model", "path", "method", "type", "body"]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def with_json(self, value: Any) -> Answer:
        return replace(self, body=dumps(value), content_type="application/json")

    def all_headers(self, *, length: int | None = None) -> dict[str, str]:
        """With Content-Type and Content-Length; the given length instead of the body's, -1 for none."""
        headers = {"Content-Type": self.content_type} if self.content_type is not None else {}
        if length != -1:
            headers["Content-Length"] = str(len(self.body) if length is None else length)
        return headers | dict(self.headers)

    def head(self, *, length: int | None = None, version: str = "1.1") -> bytes:
        """Status line and headers as HTTP/1.1 has them."""
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/{version} {self.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in self.all_headers(length=length).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, dumps(value))


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 (it is an answer, not an error of ours)
    """A request that the vendor's reference does not allow. Each vendor words it in its own way."""

    fit: Fit  # what does not fit
    status: int
    message: str
    param: str | None = None
    code: str | None = None
    problem: Problem | None = None

    def __str__(self) -> str:
        return f"{self.param}: {self.message}" if self.param else self.message


def wrong(message: str, param: str | None = None, *, code: str | None = None, status: int = 400) -> Refused:
    return Refused("body", status, message, param, code)
