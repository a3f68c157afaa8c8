# SPDX-License-Identifier: Apache-2.0
"""Calls the agent of worker.py and checks what it says, what it does and how fast it answers: `pytest test_booking.py`.

LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET are those of the worker, XRAY_URL is where xrayd listens.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import xray
from xray.runtime.livekit import LiveKitRuntime

AUDIO = Path(__file__).parent / "audio"

BOOKING = xray.Conversation(
    "Book a table",
    [
        xray.Turn.user(
            "Hello, I would like to book a table for two people.",
            key="request",
            audio=xray.RecordedAudio(AUDIO / "request.wav"),
        ),
        xray.Turn.agent(
            assertions=[
                xray.Assertion.contains("table"),
                xray.Assertion.tool_not_called("book_table"),
                xray.Assertion.max_latency_ms(5000),
            ]
        ),
        # Without a recording the server speaks the text.
        xray.Turn.user("On Friday at seven o'clock, please.", key="when"),
        xray.Turn.agent(
            key="booking",
            assertions=[
                xray.Assertion.tool_called("book_table"),
                xray.Assertion.tool_args_match("book_table", {"day": "Friday", "guests": 2}),
                xray.Assertion.contains("Friday"),
                xray.Assertion.max_latency_ms(5000),
            ],
        ),
    ],
    judges=[xray.Judge.text_match("A table for two is booked, on Friday at seven.", pass_score=60)],
)


def call() -> LiveKitRuntime:
    """A call with the agent, in a room of its own."""
    return LiveKitRuntime(
        url=os.environ.get("LIVEKIT_URL", "ws://localhost:7880"),
        api_key=os.environ.get("LIVEKIT_API_KEY", "devkey"),
        api_secret=os.environ.get("LIVEKIT_API_SECRET", "secret"),
        room=f"booking-{uuid.uuid4().hex[:8]}",
    )


def test_a_table_is_booked() -> None:
    xray_url = os.environ.get("XRAY_URL", "http://localhost:8080")
    result = asyncio.run(xray.run(conversation=BOOKING, runtime=call(), xray_url=xray_url))
    assert result.passed, xray.format_failures(result)
