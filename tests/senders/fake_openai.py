# SPDX-License-Identifier: Apache-2.0
"""OpenAI's chat completions, as far as a client needs them: a text, a tool call if tools are offered, a stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-mini-2024-07-18"
USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Köln"}'}}


def completion(request: dict[str, Any]) -> dict[str, Any]:
    calls = bool(request.get("tools"))
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    choice = {
        "index": 0,
        "message": message if calls else {"role": "assistant", "content": "It is sunny."},
        "finish_reason": "tool_calls" if calls else "stop",
    }
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_323_045, "model": MODEL}
    return head | {"choices": [choice], "usage": USAGE}


def chunks() -> Iterator[dict[str, Any]]:
    head: dict[str, Any] = {
        "id": "chatcmpl-2",
        "object": "chat.completion.chunk",
        "created": 1_767_323_045,
        "model": MODEL,
    }
    for delta, reason in (({"role": "assistant", "content": "It is"}, None), ({"content": " sunny."}, "stop")):
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": None}
    yield head | {"choices": [], "usage": USAGE}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request.get("stream"):
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks()]
            self.answer("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))
        else:
            self.answer("application/json", json.dumps(completion(request)))

    def answer(self, content_type: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 (its name in the base class)
        return


@contextmanager
def fake_openai() -> Iterator[str]:
    """The base URL for OPENAI_BASE_URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
