# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own Python environment, made on first use: its packages are large and nothing else needs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = (
    ROOT / "build" / "timing"
)  # environment, packages and what is made from them; nothing of it is in the repository
VENV = CACHE / "venv"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def _make() -> None:
    stamp = VENV / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == REQUIREMENTS.read_bytes():
        return
    print(f"timing: making the Python environment {VENV.relative_to(ROOT)}", file=sys.stderr, flush=True)
    system = Path("/usr/bin/python3")
    python = system if system.exists() else Path(sys.executable)
    subprocess.run([python, "-m", "venv", "--clear", VENV], check=True)
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", REQUIREMENTS]
    subprocess.run([VENV / "bin" / "python", *install], check=True)
    shutil.copy(REQUIREMENTS, stamp)


def enter() -> None:
    """Returns inside the environment: makes it if need be, and starts this program again with its Python."""
    if Path(sys.prefix) == VENV:
        return
    _make()
    python = VENV / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])
