# SPDX-License-Identifier: Apache-2.0
"""LiveKit Agents' own tracer. It is never imported: if the agent uses it, it is in `sys.modules`.

`livekit.agents.telemetry.tracer` (1.2 to 1.8) is one object for the process that hands on to a tracer of the provider
it has, which `livekit.agents.telemetry.set_tracer_provider` changes by calling the object's `set_provider`. Until then
it has what was the global provider when it was imported: as a rule a proxy, which follows the global one. With LiveKit
Cloud the framework makes a provider of its own, some versions before the entrypoint runs, others in
`AgentSession.start`. So one look is not enough: the switch is watched.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger("xray.otel")

_MODULES: Final = ("livekit.agents.telemetry.traces", "livekit.agents.telemetry")
_WATCHED: Final = "_xray_watched"

Adopt = Callable[[object], None]


def follow(adopt: Adopt) -> None:
    """Calls `adopt` with the provider that LiveKit Agents' tracer has now, if it is in this process, and with each one
    it is given later. Following twice watches once. `adopt` must not raise."""
    tracer = next((t for t in map(_tracer, _MODULES) if t is not None), None)
    if tracer is None:
        return
    _watch(tracer, adopt)
    provider: object = getattr(tracer, "_tracer_provider", None)
    if provider is not None:
        adopt(provider)


def _tracer(module: str) -> object | None:
    tracer: object = getattr(sys.modules.get(module), "tracer", None)
    return tracer if callable(getattr(tracer, "set_provider", None)) else None


def _watch(tracer: object, adopt: Adopt) -> None:
    if _WATCHED in vars(tracer):
        return
    switch: Callable[..., object] = getattr(tracer, "set_provider")  # noqa: B009  the type is not known

    @functools.wraps(switch)
    def watched(tracer_provider: object, *args: object, **kwargs: object) -> object:
        # Ours first, so that not even the first span is missed; LiveKit's redaction puts itself before all others.
        adopt(tracer_provider)
        return switch(tracer_provider, *args, **kwargs)

    try:
        setattr(tracer, "set_provider", watched)  # noqa: B010
        setattr(tracer, _WATCHED, True)
    except AttributeError:
        _logger.warning("LiveKit Agents' tracer cannot be watched: a provider set later is not followed")
