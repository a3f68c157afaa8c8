# SPDX-License-Identifier: Apache-2.0
"""What an agent has while it is being tested."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from opentelemetry.trace import Tracer

from xray._attributes import TURN_IDX, TURN_KEY, TURN_SPAN, ReplayIdentity, baggage_of


class XraySession:
    """The replay that an agent takes part in; made by `xray.attach`."""

    def __init__(self, identity: ReplayIdentity, tracer: Tracer) -> None:
        self._identity = identity
        self._tracer = tracer

    @property
    def replay_id(self) -> str:
        return self._identity.replay_id

    @property
    def conversation_hash(self) -> str:
        return self._identity.conversation_hash

    @property
    def modality(self) -> str:
        return self._identity.modality

    def turn(self, idx: int, key: str | None = None) -> TurnScope:
        """Says which turn what happens inside belongs to: `with session.turn(2, "confirm"): ...`, `async with` alike.

        Emits a span `xray.turn`; spans inside carry `xray.turn.idx` and `xray.turn.key`. Raises ValueError for an index
        below 0 or an empty key.
        """
        if isinstance(idx, bool) or not isinstance(idx, int) or idx < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("a turn's index must be an integer of 0 or more")
        if key is not None and (not isinstance(key, str) or not key):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("a turn's key must be a non-empty string")
        return TurnScope(self._tracer, idx, key)

    def __repr__(self) -> str:
        return f"XraySession(replay_id={self.replay_id!r}, modality={self.modality!r})"


class TurnScope:
    """One turn; see `XraySession.turn`. To be entered once: RuntimeError the second time."""

    def __init__(self, tracer: Tracer, idx: int, key: str | None) -> None:
        self._tracer = tracer
        self._values: dict[str, str | int] = {TURN_IDX: idx} if key is None else {TURN_IDX: idx, TURN_KEY: key}
        self._open: ExitStack | None = None

    def __enter__(self) -> None:
        if self._open is not None:
            raise RuntimeError("this turn was begun already: `session.turn` makes one for each `with`")
        # Within an outer turn that has a key, a turn without one has none.
        with ExitStack() as opening:
            opening.enter_context(baggage_of({TURN_KEY: "", **self._values}))
            opening.enter_context(self._tracer.start_as_current_span(TURN_SPAN, attributes=self._values))
            self._open = opening.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.__exit__(kind, error, trace)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
