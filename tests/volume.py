# SPDX-License-Identifier: Apache-2.0
"""Looks at a server's volume from outside: rows by SQLite, files by name."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from waiting import eventually

SHA256_SIZE = 32
RESERVE_BYTES = 64 << 20  # XR_DISK_RESERVE
STATES = ("pending", "running", "recording_uploaded", "analyzing", "completed", "failed")  # as xray.db numbers them
Snapshot = tuple[dict[str, int], frozenset[str]]


@contextmanager
def opened(data_dir: Path, name: str = "xray.db", *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection beside the server's own; what is written is committed at the end."""
    uri = f"file:{data_dir / name}?mode={'rw' if write else 'ro'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
        yield db
        if write:
            db.commit()


def query(data_dir: Path, sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with opened(data_dir) as db:
        return db.execute(sql, args).fetchall()


def rows(data_dir: Path) -> dict[str, int]:
    """How many rows each table has."""
    counts: dict[str, int] = {}
    for name in ("xray.db", "queue.db"):
        with opened(data_dir, name) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            for (table,) in tables.fetchall():
                counts[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return counts


def files(data_dir: Path) -> frozenset[str]:
    """Every file under audio/, by its name there."""
    audio = data_dir / "audio"
    return frozenset(str(path.relative_to(audio)) for path in audio.rglob("*") if path.is_file())


def snapshot(data_dir: Path) -> Snapshot:
    return rows(data_dir), files(data_dir)


def turn_file(sha256: bytes) -> str:
    name = sha256.hex()
    return f"turns/{name[:2]}/{name}.wav"


def expected_files(data_dir: Path) -> frozenset[str]:
    """The files that rows speak of."""
    found: set[str] = set()
    for (replay,) in query(data_dir, "SELECT uuid FROM replays WHERE has_audio = 1"):
        found.add(f"{uuid.UUID(bytes=replay)}/replay.wav")
    for (audio,) in query(data_dir, "SELECT audio FROM conversations"):
        hashes = (audio[at : at + SHA256_SIZE] for at in range(0, len(audio), SHA256_SIZE))
        found.update(turn_file(sha256) for sha256 in hashes if any(sha256))
    for (sha256,) in query(data_dir, "SELECT sha256 FROM tts_synth_cache"):
        found.add(turn_file(sha256))
    return frozenset(found)


def set_state(data_dir: Path, replay: str, state: str) -> None:
    """Says that a replay is in a state, behind the server's back: how a test holds one where it would not stay."""
    step = 1 if state == "analyzing" else 0
    with opened(data_dir, write=True) as db:
        changed = db.execute(
            "UPDATE replays SET lifecycle_state = ?, analysis_step = ? WHERE uuid = ?",
            (STATES.index(state), step, uuid.UUID(replay).bytes),
        )
        assert changed.rowcount == 1


def settles(data_dir: Path) -> bool:
    """Does the volume hold exactly the files its rows name, within a while?

    A request's temporary files are removed when it is over, a moment after its answer has arrived.
    """
    return eventually(lambda: files(data_dir) == expected_files(data_dir))
