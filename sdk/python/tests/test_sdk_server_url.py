# SPDX-License-Identifier: Apache-2.0
"""A server's base URL: what is one, which is on this machine, and that its password goes where it belongs only."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

import pytest
from xrayd_process import Xrayd

import xray
from fakes import FakeRuntime, Rule, ScriptedServer, answer
from span_receiver import Receiver, spans
from test_sdk_run import SCRIPT
from xray._exporter import server_url
from xray._server_url import ServerUrl
from xray.errors import XrayServerError
from xray.otel import XraySpanExporter

PASSWORD = "p:a ss@word"
IN_A_URL = "ann:p%3Aa%20ss%40word"
HEADER = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8080", "ftp://x", "http://", "http://x:y", "http://x:0", "http://x:99999"),
        *("http://x?a=1", "http://x/#a", "http://x\0", None, b"http://x"),
    ],
)
def test_what_is_no_base_url_is_a_value_error(url: object) -> None:
    with pytest.raises(ValueError, match="xray_url"):
        ServerUrl.parse(url, "xray_url")


@pytest.mark.parametrize("url", [f"http://{IN_A_URL}@x?a=1", f"ftp://{IN_A_URL}@x", f"http://{IN_A_URL}@x:y"])
def test_a_refusal_does_not_show_the_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        ServerUrl.parse(url, "xray_url")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://host/xray/", "https://host/xray"),
        (" http://host:8080 ", "http://host:8080"),
        (f"http://{IN_A_URL}@host:8080/x/", "http://host:8080/x"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_base_is_without_what_is_not_to_be_shown(url: str, base: str) -> None:
    parsed = ServerUrl.parse(url, "xray_url")
    assert parsed.base == base
    assert parsed.authorization == (HEADER if "@" in url else None)
    assert "Basic" not in repr(parsed)


def test_an_endpoint_may_name_the_path_of_traces() -> None:
    assert server_url("http://host:8080/v1/otlp/v1/traces/").base == "http://host:8080"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("localhost", True), ("LOCALHOST.", True), ("app.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True)),
        *(("[::1]", True), ("xray", False), ("notlocalhost", False), ("10.0.0.1", False), ("localhost.example", False)),
    ],
)
def test_which_hosts_are_on_this_machine(host: str, here: bool) -> None:
    assert ServerUrl.parse(f"http://{host}:8080", "xray_url").on_this_machine is here


def with_password(url: str) -> str:
    return url.replace("//", f"//{IN_A_URL}@")


def test_a_run_sends_the_password_with_each_request_and_shows_it_nowhere(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = Rule("POST /v1/replays/[^/]+/audio", times=99, answer=answer("500 Internal", "{}"))
    with ScriptedServer(shared_server.url, refused) as scripted:
        url = with_password(scripted.url)
        with pytest.raises(XrayServerError) as caught:
            asyncio.run(xray.run(conversation=SCRIPT, runtime=FakeRuntime(tmp_path), xray_url=url))
        assert {one.headers.get("authorization") for one in scripted.seen} == {HEADER}
    for shown in (caplog.text, str(caught.value), repr(caught.value)):
        assert "word" not in shown


def test_so_does_the_exporter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=with_password(receiver.url))
        exporter.export(spans(1))
        exporter.shutdown()
        assert [one.headers["Authorization"] for one in receiver.requests] == [HEADER]
    assert "word" not in caplog.text + exporter.url
