# SPDX-License-Identifier: Apache-2.0
"""Every test in this folder needs what scripts/senders makes."""

from __future__ import annotations

import subprocess

import pytest

from api import Api
from samples import SPEC
from xrayd_process import ROOT


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:  # pyright: ignore[reportUnusedFunction]
    """Makes it if it is not there, which takes minutes; else this takes no time."""
    made = subprocess.run([ROOT / "scripts" / "senders"], stderr=subprocess.PIPE, text=True)
    assert made.returncode == 0, made.stderr


@pytest.fixture
def replay(shared: Api) -> str:
    return shared.new_replay(shared.new_conversation(SPEC))
