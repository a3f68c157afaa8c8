# SPDX-License-Identifier: Apache-2.0
"""The fake as a server: what it records, how many it serves, when it answers, TLS and HTTP/2."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import rawhttp
from vendors import STAGES, VENDORS, Asked, Heard, Stage, Vendor, Vendors, Word
from vendors.audio import SPEECH_RATE, make_wav, speech_ms, tone
from vendors.by_hand import HEARD_MS, SYSTEM, TEXT, USER, request
from vendors.certificates import Authority, Kind
from vendors.names import KEYS, MODELS
from vendors.reader import attempt
from xrayd_process import ROOT

MANY = 200
TLS = ssl.create_default_context()


@pytest.fixture
def client(vendors: Vendors) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=vendors.url("openai"), verify=TLS) as client:
        yield client


# --- what it records ---


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("vendor", VENDORS)
def test_call_is_recorded_as_it_was_understood(vendors: Vendors, vendor: Vendor, stage: Stage) -> None:
    with httpx.Client(base_url=vendors.url(vendor), verify=TLS) as client:
        sound = request(vendor, stage)
        sent = sound.build(vendors.url(vendor))
        client.send(sent)
    (call,) = vendors.wait_calls(1, vendor=vendor, stage=stage, ended=True)
    assert (call.method, call.path, call.query, call.http) == ("POST", f"/{vendor}{sound.path}", "", "1.1")
    assert (call.model, call.status, call.fault, call.abandoned) == (MODELS[stage, vendor], 200, None, False)
    assert call.body == sent.read()
    assert call.header("content-type") == sent.headers["content-type"]
    assert call.json == sound.json
    assert call.ended is not None
    assert call.ended >= call.arrived
    if stage == "transcription":
        assert call.audio_ms == HEARD_MS
    else:
        assert call.text == {"tts": TEXT, "judge": f"{SYSTEM}\n{USER}"}[stage]


def test_connection_is_kept_and_counted(vendors: Vendors, client: httpx.Client) -> None:
    for _ in range(3):
        request("openai", "judge").send(client)
    replace(request("openai", "judge"), headers={**request("openai", "judge").headers, "Connection": "close"}).send(
        client
    )
    request("openai", "judge").send(client)
    assert [(call.connection, call.nth) for call in vendors.calls()] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]
    assert vendors.connections == 2


def test_waiting_for_calls_tells_what_came_instead(vendors: Vendors, client: httpx.Client) -> None:
    request("openai", "judge").send(client)
    with pytest.raises(AssertionError, match=r"0 of 1 calls.*\nPOST /openai/v1/chat/completions -> 200"):
        vendors.wait_calls(1, stage="tts", within_s=0)
    vendors.forget_calls()
    assert vendors.calls() == []


def test_refusals_fail_a_test_unless_expected(vendors: Vendors, client: httpx.Client) -> None:
    vendors.expect_refusals = True
    vendors.assert_none_refused()
    request("openai", "judge").with_json(temperature=3).send(client)
    with pytest.raises(AssertionError, match="temperature: expected a value from 0 to 2, got 3"):
        vendors.assert_none_refused()


# --- when it answers ---


def test_two_hundred_are_served_at_once(vendors: Vendors) -> None:
    plan = vendors.fail("hang")
    limits = httpx.Limits(max_connections=MANY)

    async def all_of_them() -> list[int]:
        async with httpx.AsyncClient(verify=TLS, limits=limits, timeout=60) as client:
            sound = [request("openai", "judge").build(vendors.url("openai")) for _ in range(MANY)]
            answers = [asyncio.create_task(client.send(one)) for one in sound]
            await asyncio.to_thread(vendors.wait_calls, MANY, within_s=60)
            assert (vendors.current, vendors.peak) == (MANY, MANY)
            plan.release()
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    assert asyncio.run(all_of_them()) == [200] * MANY
    vendors.wait_calls(MANY, ended=True)
    assert (vendors.current, vendors.peak) == (0, MANY)


def test_delay_is_for_what_fits_and_goes_with_a_fault(vendors: Vendors, client: httpx.Client) -> None:
    late = vendors.delay(80, stage="judge", times=1)
    vendors.fail("status_500", stage="judge", times=1)
    assert request("openai", "judge").send(client).status_code == 500
    assert request("openai", "judge").send(client).status_code == 200
    slow, _ = vendors.wait_calls(2, ended=True)
    assert slow.ended is not None
    assert slow.ended - slow.arrived >= 0.08
    assert late.hits == 1


def test_client_that_leaves_is_noticed(vendors: Vendors) -> None:
    vendors.fail("hang")
    with rawhttp.connected(vendors.port) as sock:
        sock.sendall(b"".join(raw_judge()))
        vendors.wait_calls(1)
        assert vendors.calls()[0].ended is None
    (call,) = vendors.wait_calls(1, ended=True)
    assert call.abandoned
    assert call.status is None


def test_stopping_lets_go_of_what_hangs() -> None:
    with ThreadPoolExecutor() as pool, httpx.Client(verify=TLS) as client:
        with Vendors() as vendors:
            vendors.fail("hang")
            sound = request("openai", "judge").build(vendors.url("openai"))
            answer = pool.submit(client.send, sound)
            vendors.wait_calls(1)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.result()


def raw_judge(*extra: str) -> tuple[bytes, bytes]:
    """Head and body."""
    sound = request("openai", "judge").build("http://127.0.0.1/openai")
    lines = [f"POST {sound.url.path} HTTP/1.1", *(f"{k}: {v}" for k, v in sound.headers.items()), *extra, "", ""]
    return "\r\n".join(lines).encode(), sound.read()


def test_body_is_asked_for_with_100_continue(vendors: Vendors) -> None:
    with rawhttp.connected(vendors.port) as sock:
        head, body = raw_judge("Expect: 100-continue")
        sock.sendall(head)
        assert sock.recv(1000) == b"HTTP/1.1 100 \r\n\r\n"
        sock.sendall(body)
        assert rawhttp.answer(sock).status == 200


def test_requests_behind_each_other_are_answered_in_order(vendors: Vendors) -> None:
    vendors.delay(20, times=1)
    with rawhttp.connected(vendors.port) as sock:
        sock.sendall(b"".join(raw_judge() * 2))
        got = b""
        while got.count(b"HTTP/1.1 200 OK") < 2:  # both may come in one piece
            piece = sock.recv(1 << 16)
            assert piece
            got += piece


def test_what_is_no_request_is_answered_400(vendors: Vendors) -> None:
    assert rawhttp.exchange(vendors.port, b"NOT HTTP\r\n\r\n").status == 400
    assert vendors.calls() == []


# --- what it says ---


def test_hears_by_table(vendors: Vendors, client: httpx.Client) -> None:
    vendors.hear({HEARD_MS + 3: "two tickets", 3000: "good bye"})
    assert request("openai", "transcription").send(client).json()["text"] == "two tickets"
    goodbye = request("openai", "transcription").with_wav(make_wav(tone(3000, 16_000), 16_000))
    assert goodbye.send(client).json()["text"] == "good bye"


def test_hears_with_words_and_language(vendors: Vendors, client: httpx.Client) -> None:
    vendors.hear(lambda _wav: Heard("zwei Karten", (Word("zwei", 0, 0.5), Word("Karten", 0.6, 1.1)), "de"))
    heard = request("openai", "transcription").send(client).json()
    assert (heard["language"], heard["duration"]) == ("german", 1.5)
    assert heard["words"] == [{"word": "zwei", "start": 0, "end": 0.5}, {"word": "Karten", "start": 0.6, "end": 1.1}]


def test_judge_is_given_the_prompts_sections(vendors: Vendors, client: httpx.Client) -> None:
    asked: list[Asked] = []
    vendors.judge(lambda a: asked.append(a) or "as it is")
    answer = request("openai", "judge").send(client).json()
    assert answer["choices"][0]["message"]["content"] == "as it is"
    assert asked == [Asked(SYSTEM, USER, "The agent sells two tickets.", None, "[turn 0] [agent]: two tickets it is")]


def test_model_that_was_not_told_to_answer_json_does_not(client: httpx.Client) -> None:
    answer = request("openai", "judge").without("response_format").send(client).json()
    assert answer["choices"][0]["message"]["content"].startswith("I have looked")


def test_speech_lasts_as_its_text_is_long(client: httpx.Client) -> None:
    short, long = (request("openai", "tts").with_json(input=text).send(client).content for text in ("a", "a" * 100))
    assert len(short) == speech_ms("a") * SPEECH_RATE // 1000 * 2
    assert len(long) == speech_ms("a" * 100) * SPEECH_RATE // 1000 * 2


def hear_what_is_not_in_the_table() -> None:
    with Vendors() as vendors, httpx.Client(base_url=vendors.url("openai"), verify=TLS) as client:
        vendors.hear({1: "never"})
        assert request("openai", "transcription").send(client).status_code == 500


def test_what_breaks_in_a_tests_function_is_raised_at_the_end() -> None:
    with pytest.raises(AssertionError, match="1500 ms were heard, the table has"):
        hear_what_is_not_in_the_table()


def test_environment_for_xrayd(vendors: Vendors) -> None:
    assert vendors.env("google", "judge", version=True) == {
        "GOOGLE_BASE_URL": f"http://127.0.0.1:{vendors.port}/google/v1beta",
        "GOOGLE_API_KEY": KEYS["google"],
        "XRAY_JUDGE_PROVIDER": "google-gemini",
    }
    vendors.keys = None
    assert vendors.env("openai") == {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{vendors.port}/openai",
        "XRAY_TTS_PROVIDER": "openai",
        "XRAY_TRANSCRIPTION_PROVIDER": "openai-whisper",
        "XRAY_JUDGE_PROVIDER": "openai",
    }


@contextmanager
def on_its_own(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """The environment that it prints."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "vendors", *options]
    with subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        # What is printed at once is read at once; its end would only come with the process's.
        lines = os.read(process.stdout.fileno(), 65536).decode().splitlines()
        yield dict(line.removeprefix("export ").split("=", 1) for line in lines)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_runs_on_its_own(tmp_path: Path) -> None:
    with on_its_own(tmp_path, "--keyless") as env, httpx.Client(base_url=env["OPENAI_BASE_URL"], verify=TLS) as client:
        assert replace(request("openai", "judge"), headers={}).send(client).status_code == 200


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ([], ["openai", "google-gemini", "mistral"]),
        (["--vendor=mistral"], ["mistral", "mistral-voxtral", "mistral"]),
        (["--vendor=google", "--vendor=openai", "--keyless"], ["google-gemini", "openai-whisper", "google-gemini"]),
    ],
    ids=["all", "one", "two"],
)
def test_what_it_prints_is_an_environment_for_xrayd(tmp_path: Path, options: list[str], chosen: list[str]) -> None:
    binary = os.environ.get("XRAYD", ROOT / "build" / "xrayd")
    with on_its_own(tmp_path, *options) as env:
        checked = subprocess.run([binary, "--check-config"], env=env, capture_output=True, text=True, timeout=30)
        assert (checked.returncode, checked.stderr) == (0, "")
        stages = zip(("speech", "transcription", "judge"), chosen, strict=True)
        for stage, line in zip(stages, checked.stdout.splitlines()[-3:], strict=True):
            assert line.startswith(f"{stage[0]}: {stage[1]}, ")
            assert ("key missing" in line, "no key" in line) == (False, "--keyless" in options)


# --- TLS and HTTP/2 ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


def test_https_with_a_certificate_that_is_trusted(authority: Authority, trusting: ssl.SSLContext) -> None:
    with (
        Vendors(tls=authority.server()) as vendors,
        httpx.Client(base_url=vendors.url("mistral"), verify=trusting) as c,
    ):
        assert vendors.base.startswith("https://")
        assert attempt(c, request("mistral", "transcription")).outcome == "fine"


@pytest.mark.parametrize("kind", ["right", "other_host", "expired"])
def test_certificate_that_should_not_be_trusted(authority: Authority, trusting: ssl.SSLContext, kind: Kind) -> None:
    with Vendors(tls=authority.server(kind)) as vendors:
        context = TLS if kind == "right" else trusting
        with (
            httpx.Client(base_url=vendors.url("openai"), verify=context) as client,
            pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            request("openai", "judge").send(client)
        assert vendors.calls() == []


@pytest.fixture
def two(authority: Authority) -> Iterator[Vendors]:
    with Vendors(tls=authority.server(), http2=True) as vendors:
        yield vendors


def test_http2_is_spoken_where_it_is_offered(two: Vendors, trusting: ssl.SSLContext) -> None:
    for wanted, version in ((True, "2"), (False, "1.1")):
        with httpx.Client(base_url=two.url("openai"), verify=trusting, http2=wanted) as client:
            assert request("openai", "judge").send(client).status_code == 200
        assert two.calls()[-1].http == version


def test_http2_carries_large_bodies_both_ways(two: Vendors, trusting: ssl.SSLContext) -> None:
    """Larger than the protocol's windows."""
    text = "a" * 4000
    long = make_wav(tone(60_000, 16_000), 16_000)
    with httpx.Client(base_url=two.url("openai"), verify=trusting, http2=True) as client:
        spoken = request("openai", "tts").with_json(input=text).send(client)
        heard = request("openai", "transcription").with_wav(long).send(client)
    assert len(spoken.content) == speech_ms(text) * SPEECH_RATE // 1000 * 2
    assert heard.json()["text"] == "heard 60000 ms"
    assert two.connections == 1


def test_http2_answers_requests_beside_each_other(two: Vendors, trusting: ssl.SSLContext) -> None:
    async def both() -> list[int]:
        async with httpx.AsyncClient(base_url=two.url("openai"), verify=trusting, http2=True) as client:
            plan = two.fail("hang", stage="tts")
            sound = {stage: request("openai", stage) for stage in STAGES}
            slow = asyncio.create_task(
                client.post(sound["tts"].path, json=sound["tts"].json, headers=sound["tts"].headers)
            )
            await asyncio.to_thread(two.wait_calls, 1, stage="tts")
            fast = await client.post(sound["judge"].path, json=sound["judge"].json, headers=sound["judge"].headers)
            plan.release()
            return [(await slow).status_code, fast.status_code]

    assert asyncio.run(both()) == [200, 200]
    assert two.connections == 1


def test_http2_request_that_is_given_up_is_noticed(two: Vendors, trusting: ssl.SSLContext) -> None:
    two.fail("hang")
    with (
        httpx.Client(base_url=two.url("openai"), verify=trusting, http2=True, timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        request("openai", "judge").send(client)
    (call,) = two.wait_calls(1, ended=True)
    assert call.abandoned


def cut_in_http2(authority: Authority, trusting: ssl.SSLContext) -> None:
    with (
        Vendors(tls=authority.server(), http2=True) as vendors,
        httpx.Client(base_url=vendors.url("openai"), verify=trusting, http2=True) as client,
    ):
        vendors.fail("cut_in_body")
        assert request("openai", "judge").send(client).status_code == 500


def test_fault_that_writes_bytes_is_not_for_http2(authority: Authority, trusting: ssl.SSLContext) -> None:
    with pytest.raises(AssertionError, match=r"cut_in_body needs HTTP/1\.1"):
        cut_in_http2(authority, trusting)
