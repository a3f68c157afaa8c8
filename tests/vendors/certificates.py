# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests of their verification: a right one, and each way to be wrong."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import trustme

Kind = Literal["right", "other_host", "expired"]


class Authority:
    """A certificate authority; a client that is told of `file` trusts it, no other does."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def server(self, kind: Kind = "right") -> ssl.SSLContext:
        """For Vendors(tls=...)."""
        host = "other.example" if kind == "other_host" else "127.0.0.1"
        ends = datetime.now(UTC) + timedelta(days=-1 if kind == "expired" else 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self._authority.issue_cert(host, not_before=ends - timedelta(days=9), not_after=ends)
        certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        return context
