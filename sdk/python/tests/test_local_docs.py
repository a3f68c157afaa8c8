# SPDX-License-Identifier: Apache-2.0
"""The Python of docs/runtimes.md runs as it stands there, and its tests pass against a real server."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from xrayd_process import ROOT, Xrayd

import xray
from xray.errors import AgentNotJoinedError
from xray.runtime.livekit import LiveKitRuntime

PAGE = ROOT / "docs" / "runtimes.md"
NAME = "runtimes_page"


@pytest.fixture(scope="module")
def page(shared_server: Xrayd) -> Iterator[Any]:
    """The page's code as one module. Line numbers in tracebacks are the page's."""
    text = PAGE.read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) == 5
    module = ModuleType(NAME)
    sys.modules[NAME] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAY_URL", shared_server.url)
        for block in blocks:
            padding = "\n" * text.count("\n", 0, block.start(1))
            exec(compile(padding + block[1], str(PAGE), "exec"), vars(module))
        yield module
    del sys.modules[NAME]


@pytest.mark.parametrize("name", ["test_echo", "test_barge_in", "test_tcp"])
def test_a_test_of_the_page_passes(page: Any, name: str) -> None:
    asyncio.run(getattr(page, name)())


def test_every_test_of_the_page_is_run_here(page: Any) -> None:
    module: ModuleType = page
    assert [name for name in vars(module) if name.startswith("test_")] == ["test_echo", "test_barge_in", "test_tcp"]


def test_the_pages_runtime_tells_that_nobody_is_there(page: Any, shared_server: Xrayd, tmp_path: Path) -> None:
    conversation = xray.Conversation("Nobody", [xray.Turn.user("Hello?")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path))
        runtime = page.TcpRuntime("127.0.0.1", 1)
    with pytest.raises(AgentNotJoinedError):
        asyncio.run(xray.run(conversation=conversation, runtime=runtime, xray_url=shared_server.url))
    assert list(tmp_path.iterdir()) == []


def test_every_argument_of_livekit_runtime_is_on_the_page() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE.read_text(), re.MULTILINE))
    arguments = list(inspect.signature(LiveKitRuntime).parameters.values())[4:]
    for argument in arguments:
        if argument.name in ("tracer_provider", "clock"):  # for tests
            continue
        if isinstance(argument.default, (int, float)):
            assert rows[argument.name] == f"{argument.default:g}"
        else:
            assert argument.name in rows
