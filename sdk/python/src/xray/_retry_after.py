# SPDX-License-Identifier: Apache-2.0
"""`Retry-After` (RFC 9110, 10.2.3), for all that asks a server again."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

__all__ = ["seconds_from_now"]


def seconds_from_now(value: str) -> float | None:
    """The header's seconds or date as seconds from now, not below 0; None if it is neither."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=timezone.utc)
        return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
