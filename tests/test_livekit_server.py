# SPDX-License-Identifier: Apache-2.0
"""How the tests start a LiveKit server; a stand-in of Python for its program."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from livekit_server import LiveKitServer, go_version

STAND_IN = """\
import http.server, json, os
port = json.loads(os.environ["LIVEKIT_CONFIG"])["port"]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def program(folder: Path, text: str) -> Path:
    made = folder / "livekit-server"
    made.write_text(f"#!{sys.executable}\n{text}")
    made.chmod(0o755)
    return made


def test_it_is_asked_itself_and_not_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LiveKitServer(program=program(tmp_path, STAND_IN)) as server:
        assert server.process is not None
        assert server.process.poll() is None
    assert server.process.returncode is not None


def test_one_that_ends_at_once_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        LiveKitServer(program=program(tmp_path, "raise SystemExit('no such thing')")).start()


def test_ctrl_c_while_it_starts_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = LiveKitServer(program=program(tmp_path, "import threading; threading.Event().wait()"))

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveKitServer, "_answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.process is not None
    assert server.process.returncode is not None
    assert not [thread for thread in threading.enumerate() if thread.name == "livekit-log"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.25.3\n", (1, 25)),
        ("go1.26\n", (1, 26)),
        ("go1.26rc1\n", (1, 26)),
        ("devel go1.27-3f1c0a2b Tue Nov 3 10:00:00 2026 +0000\n", (1, 27)),
        ("devel +3f1c0a2b\n", None),
        ("", None),
    ],
)
def test_versions_of_go(text: str, version: tuple[int, int] | None) -> None:
    assert go_version(text) == version
