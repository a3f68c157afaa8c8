# SPDX-License-Identifier: Apache-2.0
"""Tests voice agents: a conversation, a run of it against the real agent, a verdict.

result = await xray.run(conversation=conversation, runtime=runtime)
assert result.passed, xray.format_failures(result)
"""

from __future__ import annotations

from xray import errors as errors
from xray._attach import attach
from xray._results import (
    AssertionOutcome,
    EvaluationStatus,
    JudgeOutcome,
    ReplayResult,
    TurnMetrics,
    format_failures,
)
from xray._run import run
from xray._run_live import run_live
from xray._session import XraySession
from xray._sip import SimulatedSipCall
from xray.conversation import Assertion, Conversation, Judge, RecordedAudio, Role, RunConfig, TtsAudio, Turn
from xray.errors import ReplayEvaluationError, XrayError
from xray.runtime.base import AgentResponse, ModelUsage, ToolCall

__all__ = [
    "AgentResponse",
    "Assertion",
    "AssertionOutcome",
    "Conversation",
    "EvaluationStatus",
    "Judge",
    "JudgeOutcome",
    "ModelUsage",
    "RecordedAudio",
    "ReplayEvaluationError",
    "ReplayResult",
    "Role",
    "RunConfig",
    "SimulatedSipCall",
    "ToolCall",
    "TtsAudio",
    "Turn",
    "TurnMetrics",
    "XrayError",
    "XraySession",
    "attach",
    "format_failures",
    "run",
    "run_live",
]
