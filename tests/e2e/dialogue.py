# SPDX-License-Identifier: Apache-2.0
"""What is said in the calls of these tests, on both sides. The agents import it too."""

from __future__ import annotations

REQUEST = "Hello, I would like to book a table for two people."
WHICH_DAY = "For which day would you like the table?"
WHEN = "On Friday at seven o'clock, please."
BOOKED = "Your table for two is booked for Friday at seven o'clock."
SAID = (REQUEST, WHICH_DAY, WHEN, BOOKED)
LOST = "I am sorry, I did not understand you."

TOOL = "book_table"
TOOL_ARGS = {"day": "Friday", "time": "19:00", "guests": 2}

USER_VOICE, AGENT_VOICE = "slt", "rms"
MODEL = "scripted-1"
PROVIDER = "scripted"
TOKENS = (120, 30, 150)  # input, output, total

CRASHES = "crash"
"""In a room whose name begins like this the agent dies while it says BOOKED."""
