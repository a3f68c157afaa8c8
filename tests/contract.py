# SPDX-License-Identifier: Apache-2.0
"""Judges real responses, and the requests that the server accepted, by api/openapi.yaml.

The document leaves objects open, so that clients live with fields that are added later. Here they are closed: a field
that is not described is a difference between the document and the server."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import unquote

import httpx
import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]

Json = dict[str, Any]

DOCUMENT = Path(__file__).resolve().parent.parent / "api" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "options", "trace")
# What a header of a response is for: required there, whatever else may answer with the same status.
HEADERS_OF_CODES = {
    "overloaded": "Retry-After",
    "method_not_allowed": "Allow",
    "range_not_satisfiable": "Content-Range",
}
_LINE_BREAKS = ("\u0085", "\u2028", "\u2029")
_DATA = ("const", "default", "enum", "example", "examples", "value")


class ContractError(AssertionError):
    """The server and its description differ."""


@cache
def document() -> Json:
    """The API's description as it is written."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(DOCUMENT.read_text(encoding="utf-8"), Loader=loader)


def resolve(node: Json) -> Json:
    """Follows references inside the document."""
    while "$ref" in node:
        found: Any = document()
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def operations() -> Iterator[tuple[str, str, Json]]:
    """(METHOD, path, operation) of everything described."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def _close(node: Any) -> Any:
    if isinstance(node, list):
        return [_close(item) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    closed: Json = {}
    for key, value in cast(Json, node).items():
        if key == "properties":
            closed[key] = {name: _close(schema) for name, schema in value.items()}
        else:
            closed[key] = value if key in _DATA else _close(value)
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _is_integer(_: object, value: object) -> bool:
    """Unlike JSON Schema's own: 780.0 is a number that clients refuse."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(_validator: object, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    """With the end of a pattern as JSON Schema means it: Python's own $ also matches before a last line feed."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"does not match {pattern}")


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
_Validator: Any = extend(Draft202012Validator, validators={"pattern": _pattern}, type_checker=_TYPES)  # pyright: ignore[reportUnknownVariableType]


@cache
def _components(closed: bool) -> Json:
    return _close(document()["components"]) if closed else document()["components"]


def problems(schema: Json, value: object, *, closed: bool = True) -> list[str]:
    """What is wrong with value, by a schema of the document. Open schemas are for what clients send."""
    whole = (_close(schema) if closed else schema) | {"components": _components(closed)}
    validator = _Validator(whole)
    return [f"{error.json_path}: {error.message[:500]}" for error in validator.iter_errors(value)]


def _matches(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        bool(have) if want.startswith("{") else want == unquote(have) for want, have in zip(wanted, given, strict=True)
    )


def find_template(method: str, path: str) -> tuple[str | None, set[str]]:
    """The described path that answers, and all methods that the path has. HEAD is answered by GET's."""
    matching = [(m, template) for m, template, _ in operations() if _matches(template, path)]
    method = "GET" if method == "HEAD" else method
    mine = [template for m, template in matching if m == method]
    methods = {m for m, _ in matching}
    best = max(mine, key=lambda t: sum(not part.startswith("{") for part in t.split("/")), default=None)
    return best, methods | ({"HEAD"} if "GET" in methods else set())


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a key is repeated: {names}")
    return dict(pairs)


def parse_json(text: str) -> Any:
    """JSON as the API promises it: strict, no repeated key, no bare line break of Unicode's."""
    for character in _LINE_BREAKS:
        if character in text:
            raise ContractError(f"U+{ord(character):04X} is not escaped")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_reject_constant)
    except ValueError as error:
        raise ContractError(f"not JSON: {error}: {text[:500]}") from None


class _Reply:
    """One response, and what it is called in messages."""

    def __init__(self, reply: httpx.Response) -> None:
        self.http = reply
        self.method = reply.request.method
        self.path = reply.request.url.raw_path.decode("ascii").partition("?")[0]
        self.status = reply.status_code
        self.media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def fail(self, found: str | Iterable[str]) -> NoReturn:
        text = found if isinstance(found, str) else "\n  ".join(found)
        raise ContractError(f"{self.method} {self.path} -> {self.status}: {text}")

    def check(self, described: Json) -> None:
        described = resolve(described)
        self._check_headers(described.get("headers", {}))
        if "content" not in described:
            if self.http.read():
                self.fail("has a body, none is described")
            return
        if self.media_type not in described["content"]:
            self.fail(f"content type {self.media_type!r} is not described")
        if self.media_type == "application/json" and self.method != "HEAD":
            self._check_json(described["content"]["application/json"]["schema"])

    def _check_headers(self, described: Json) -> None:
        for name, reference in described.items():
            header = resolve(reference)
            value = self.http.headers.get(name)
            if value is None and header.get("required"):
                self.fail(f"no {name}")
            if value is not None and (found := problems(header["schema"], _typed(header["schema"], value))):
                self.fail(f"{name}: {found}")

    def _check_json(self, schema: Json) -> None:
        try:
            body = parse_json(self.http.read().decode("utf-8"))
        except (ContractError, UnicodeDecodeError) as error:
            self.fail(str(error))
        if found := problems(schema, body):
            self.fail([*found, self.http.text[:2000]])
        code = str(cast(Json, body).get("error", "")) if isinstance(body, dict) else ""
        needed = HEADERS_OF_CODES.get(code)
        if needed and needed not in self.http.headers:
            self.fail(f"{code} without {needed}")

    def check_allow(self, methods: set[str]) -> None:
        allowed = set(self.http.headers["Allow"].split(", "))
        if allowed != methods:
            self.fail(f"Allow says {sorted(allowed)}, described are {sorted(methods)}")

    def check_request(self, template: str, operation: Json) -> None:
        """What was accepted is what the document allows."""
        shared = document()["paths"][template].get("parameters", [])
        for parameter in map(resolve, [*shared, *operation.get("parameters", [])]):
            value = self._argument(template, parameter)
            if value is not None and (found := problems(parameter["schema"], _typed(parameter["schema"], value))):
                self.fail(f"accepted {parameter['name']}={value!r}: {found}")
        content = operation.get("requestBody", {}).get("content", {})
        sent = self.http.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        body = content.get("application/json") if len(content) == 1 or sent == "application/json" else None
        if body and (found := problems(body["schema"], self._sent(), closed=False)):
            self.fail([f"accepted {self.http.request.content[:2000]!r}", *found])

    def _sent(self) -> object:
        packed = self.http.request.headers.get("Content-Encoding", "").lower() == "gzip"
        return json.loads(gzip.decompress(self.http.request.content) if packed else self.http.request.content)

    def _argument(self, template: str, parameter: Json) -> str | None:
        name = parameter["name"]
        if parameter["in"] == "query":
            return self.http.request.url.params.get(name)
        if parameter["in"] == "header":
            return self.http.request.headers.get(name)
        at = template.split("/").index("{" + name + "}")
        return unquote(self.path.split("/")[at])


def _typed(schema: Json, text: str) -> object:
    schema = resolve(schema)
    return int(text) if schema.get("type") == "integer" and text.isdecimal() else text


def check_response(reply: httpx.Response, method: str, path_template: str) -> None:
    """Raises ContractError unless the document describes this response of this operation, as it is. Reads JSON bodies;
    streams and audio are left to the caller."""
    judged = _Reply(reply)
    operation = document()["paths"].get(path_template, {}).get(method.lower())
    if operation is None:
        judged.fail(f"{method} {path_template} is not described")
    described = operation["responses"].get(str(reply.status_code))
    if described is None:
        reply.read()
        judged.fail(f"the status is not described: {reply.text[:2000]}")
    judged.check(described)
    if reply.is_success:
        judged.check_request(path_template, operation)


def check(reply: httpx.Response) -> None:
    """check_response of whatever operation the request was for: an event hook for clients. Outside /v1/, what is not
    described belongs to the inspector, which may be any file."""
    judged = _Reply(reply)
    template, methods = find_template(judged.method, judged.path)
    shared = document()["components"]["responses"]
    if template is None and reply.status_code == 400:
        judged.check(shared["BadRequest"])  # said before anybody looks at the path
    elif template:
        check_response(reply, "GET" if judged.method == "HEAD" else judged.method, template)
    elif methods:
        if reply.status_code != 405:
            judged.fail("expected 405: the path is described, the method is not")
        judged.check(shared["MethodNotAllowed"])
        judged.check_allow(methods)
    elif judged.path.startswith("/v1/") or reply.is_error:
        if reply.status_code != 404:
            judged.fail("expected 404: the path is not described")
        judged.check(shared["NotFound"])


def check_event(name: str, data: object) -> None:
    """Raises ContractError unless the data is one of the described events, of that name."""
    found = problems({"$ref": "#/components/schemas/ReplayEvent"}, data)
    if found:
        raise ContractError(f"event {name!r}: {found}")
    if cast(Json, data)["type"] != name:
        raise ContractError(f"event {name!r} has data of {data!r:.200}")
