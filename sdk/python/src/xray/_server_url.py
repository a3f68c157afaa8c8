# SPDX-License-Identifier: Apache-2.0
"""A server's base URL, as users give it: what requests and spans go to, and by which way."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

__all__ = ["ServerUrl"]

_SCHEMES: Final = ("http", "https")


@dataclass(frozen=True)
class ServerUrl:
    """`base` has no slash at its end and no password, so that it may be shown."""

    base: str
    host: str
    authorization: str | None = field(default=None, repr=False)
    """The header for a name and a password in the URL (RFC 7617): a proxy before the server may ask for them."""

    @classmethod
    def parse(cls, url: object, name: str) -> ServerUrl:
        """ValueError, which calls the argument by its `name` and does not show a password, if it is no base URL."""
        if not isinstance(url, str):
            raise ValueError(f"{name} must be a string, not {type(url).__name__}")
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
            httpx.URL(parts.geturl())
        except (ValueError, httpx.InvalidURL) as error:
            raise ValueError(f"{name} is no URL: {error}") from None
        if parts.scheme not in _SCHEMES or not host or port == 0 or parts.query or parts.fragment:
            raise ValueError(f"{name} must be a base URL such as http://localhost:8080")
        userinfo, _, address = parts.netloc.rpartition("@")
        base = parts._replace(netloc=address).geturl().rstrip("/")
        return cls(base, host, _basic(userinfo) if userinfo else None)

    @property
    def on_this_machine(self) -> bool:
        """Whether the host is a loopback address, or `localhost` or a name under it (RFC 6761, 6.3).

        The environment's proxy (HTTP_PROXY) is not asked for those: it would look for them on its own machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            name = self.host.lower().rstrip(".")
            return name == "localhost" or name.endswith(".localhost")


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
