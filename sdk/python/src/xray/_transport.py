# SPDX-License-Identifier: Apache-2.0
"""HTTP with retries, and answers that are errors as exceptions.

A request is sent again after a network error, a 507 and a 503, except a 503 that says what is not configured: waiting
does not help there. Between attempts it waits as long as `Retry-After` says, else with exponential backoff.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, cast

import httpx
from typing_extensions import Self

from xray._retry_after import seconds_from_now
from xray._server_url import ServerUrl
from xray.errors import XrayServerError

ATTEMPTS: Final = 5
BACKOFF_S: Final = 0.25
BACKOFF_MAX_S: Final = 8.0
RETRY_AFTER_MAX_S: Final = 30.0
RETRY_FOR_S: Final = 120.0
TIMEOUT: Final = httpx.Timeout(60, connect=10)

_RETRIED_STATUS: Final = frozenset({503, 507})
_HOPELESS_CODES: Final = frozenset({"tts_provider_unconfigured"})
# The server's word that it stored nothing; a proxy's 503 does not say so.
_NOTHING_STORED_CODES: Final = frozenset({"overloaded", "storage_full"})
# Raised before the first byte of a request was on its way.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_log = logging.getLogger("xray")

Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True)
class Call:
    """One request. `body` is called anew for each attempt: its keyword arguments go to httpx (`content`, `files`, ...).

    It is sent at most `attempts` times, and not again when `retry_for_s` have passed, so that a server that hangs does
    not get all of them. `once`: doing it twice would make two of something, so it is not sent again once it may have
    arrived.
    """

    method: str
    path: str
    body: Callable[[], Mapping[str, Any]] = dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    attempts: int = ATTEMPTS
    retry_for_s: float = RETRY_FOR_S
    pause_max_s: float = RETRY_AFTER_MAX_S
    once: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Transport:
    """Requests to one xrayd. `sleep` waits between attempts, `jitter` spreads them (0 to 1), `monotonic` is in seconds.

    Raises ValueError if `base_url` is none. A name and a password in it go into each request and are never shown.
    """

    def __init__(
        self,
        base_url: str,
        *,
        client: httpx.AsyncClient | None = None,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        url = ServerUrl.parse(base_url, "xray_url")
        self.base_url = url.base
        self.sleep = sleep
        self._jitter = jitter
        self._monotonic = monotonic
        self._client = client or _new_client(url)
        self._owns_client = client is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns_client:
            await self._client.aclose()

    async def send(self, call: Call) -> httpx.Response:
        """The response, read. Raises XrayServerError for every other status than 2xx, and if there is no answer."""
        begun = self._monotonic()
        for attempt in range(1, call.attempts + 1):
            try:
                response = await self._client.request(
                    call.method, self.base_url + call.path, headers=call.headers, timeout=call.timeout, **call.body()
                )
            except httpx.RequestError as error:
                failure = self.no_answer(str(call), error)
                cause, again, wait = error, _retried_after(error, once=call.once), None
            else:
                if response.is_success:
                    return response
                failure = server_error(str(call), response)
                cause, again, wait = None, _retried_on(failure, once=call.once), failure.retry_after_s
            if not again or attempt == call.attempts or self._monotonic() - begun >= call.retry_for_s:
                raise failure from cause
            pause = min(self.pause_s(attempt, wait), call.pause_max_s)
            _log.info("%s; attempt %d of %d follows in %.2f s", failure, attempt + 1, call.attempts, pause)
            await self.sleep(pause)
        raise AssertionError("a call has at least one attempt")

    @asynccontextmanager
    async def stream(self, path: str, *, timeout: httpx.Timeout) -> AsyncIterator[httpx.Response]:
        """The open response to one GET, without retries: httpx's errors pass. XrayServerError for other than 2xx."""
        async with self._client.stream("GET", self.base_url + path, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise server_error(f"GET {path}", response)
            yield response

    def pause_s(self, attempt: int, wait_s: float | None = None) -> float:
        """How long to wait after this failed attempt (from 1)."""
        if wait_s is not None:
            return min(wait_s, RETRY_AFTER_MAX_S)
        backoff: float = min(BACKOFF_S * 2.0 ** min(attempt - 1, 16), BACKOFF_MAX_S)
        return backoff * (1 + self._jitter() / 4)

    def no_answer(self, what: str, error: Exception) -> XrayServerError:
        hint = f"; does xrayd run at {self.base_url}?" if isinstance(error, _NOT_SENT) else ""
        reason = str(error) or type(error).__name__
        message = f"{what}: no answer ({type(error).__name__}: {reason}){hint}"
        return XrayServerError(message, status_code=None, code=None, body=None, request_id=None)


def _new_client(url: ServerUrl) -> httpx.AsyncClient:
    headers = {} if url.authorization is None else {"Authorization": url.authorization}
    https = url.base.startswith("https:")
    # Reading the certificates takes some 50 ms, for each of ten runs at once, and plain http needs none of them.
    tls = httpx.create_ssl_context() if https else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(timeout=TIMEOUT, headers=headers, verify=tls, trust_env=not url.on_this_machine)


def server_error(what: str, response: httpx.Response) -> XrayServerError:
    """The error that an answer is, with all that the server says of it."""
    body: object
    fields: dict[str, object] = {}
    try:
        body = json.loads(response.content)
    except ValueError:
        body = response.text
    else:
        fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    code = fields.get("error")
    error = XrayServerError(
        f"{what}: {response.status_code} {_explained(fields) if fields else response.reason_phrase}",
        status_code=response.status_code,
        code=code if isinstance(code, str) else None,
        body=cast(object, body),
        request_id=response.headers.get("X-Request-Id"),
    )
    error.retry_after_s = retry_after_s(response)
    return error


def unusable(what: str, response: httpx.Response, why: str) -> XrayServerError:
    """An answer of 2xx that is not what the API promises: something else listens there, or a server of another time."""
    return XrayServerError(
        f"{what}: {response.status_code}, but the answer is not xrayd's ({why})",
        status_code=response.status_code,
        code=None,
        body=response.text,
        request_id=response.headers.get("X-Request-Id"),
    )


def _explained(fields: Mapping[str, object]) -> str:
    issues = fields.get("issues")
    rows = cast("list[object]", issues) if isinstance(issues, list) else []
    told = [
        f"{issue.get('path') or 'the whole'} {issue.get('message')}"
        for issue in (cast("dict[str, object]", row) for row in rows if isinstance(row, dict))
    ]
    others = {key: value for key, value in fields.items() if key not in ("error", "issues")}
    told += [f"{key}={value}" for key, value in others.items()]
    details = f"({'; '.join(told)})" if told else ""
    return " ".join(part for part in (str(fields.get("error", "")), details) if part)


def retry_after_s(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds from now, None if it is not there or not understood."""
    return seconds_from_now(response.headers.get("Retry-After", ""))


def _retried_after(error: httpx.RequestError, *, once: bool) -> bool:
    if isinstance(error, _NOT_SENT):
        return True
    network = isinstance(error, (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError))
    return network and not once


def _retried_on(failure: XrayServerError, *, once: bool) -> bool:
    if failure.status_code not in _RETRIED_STATUS or failure.code in _HOPELESS_CODES:
        return False
    return not once or failure.code in _NOTHING_STORED_CODES
