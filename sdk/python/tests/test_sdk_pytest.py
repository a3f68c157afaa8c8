# SPDX-License-Identifier: Apache-2.0
"""Under pytest, which takes a test's output, the terminal still shows where a run is."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from xrayd_process import Xrayd

TEST = """
import asyncio, os
import xray
from fakes import FakeRuntime
from test_sdk_run import SCRIPT

def test_call(tmp_path):
    print("the test's own words")
    asyncio.run(xray.run(conversation=SCRIPT, runtime=FakeRuntime(tmp_path), xray_url=os.environ["XRAY_URL"]))
"""
OWN_LINE = re.compile(r"\x1bD\x1bM\x1b7\x1bD\r([^\x1b]*)\x1b\[K\x1b8")


def on_a_terminal(server: Xrayd, folder: Path, *options: str, stderr: IO[bytes] | None = None) -> str:
    """All that pytest writes to its terminal."""
    test = folder / "test_call.py"
    test.write_text(TEST)
    command: Sequence[str | Path] = [
        *(sys.executable, "-m", "pytest", "--rootdir", folder, "-p", "xray_pytest", "-p", "no:cacheprovider"),
        *options,
        test,
    ]
    env = {**os.environ, "XRAY_URL": server.url, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=stderr or theirs)
    finally:
        os.close(theirs)
    written = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(65536):
                written += piece
        except OSError:
            pass  # as Linux tells that the other end is closed
    assert child.wait(60) == 0, written.decode()
    return written.decode()


@pytest.mark.parametrize("options", [(), ("-s",), ("-v", "--capture=sys")], ids=["captured", "not captured", "by sys"])
def test_the_line_is_below_pytests_own(shared_server: Xrayd, tmp_path: Path, options: tuple[str, ...]) -> None:
    written = on_a_terminal(shared_server, tmp_path, *options)
    lines: list[str] = OWN_LINE.findall(written)
    assert re.fullmatch(r"\S.*: preparing", lines[0])
    assert any(line.endswith(": uploading") for line in lines)
    assert lines[-1] == ""
    rest = re.sub(r"\x1b\[[0-9;]*m", "", OWN_LINE.sub("", written))
    assert "\x1b" not in rest
    assert re.search(r"test_call\.py(::test_call)? .*(\.|PASSED)", rest, re.DOTALL)
    assert ("the test's own words" in rest) is ("-s" in options)


def test_silent_if_standard_error_is_a_file(shared_server: Xrayd, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        written = on_a_terminal(shared_server, tmp_path, stderr=stderr)
    assert "preparing" not in written
    assert (tmp_path / "stderr").read_bytes() == b""
