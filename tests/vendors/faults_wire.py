# SPDX-License-Identifier: Apache-2.0
"""What a connection can do wrong: silence, slowness, breaking off, too much, other forms of HTTP."""

from __future__ import annotations

import gzip
from dataclasses import replace

from vendors.answers import Answer
from vendors.exchange import Exchange, WireExchange
from vendors.fault import Fault, case_of, changed

DRIP_S = 0.5  # between two bytes: no answer ends within any time limit
FAST_DRIP_S = 0.001
FAST_DRIP_BYTES = 100
HUGE = {"tts": (64 << 20) + (1 << 20), "transcription": 5 << 20, "judge": 5 << 20}  # over the bounds of 64 and 4 MiB
PIECE = 1 << 16


async def _hang(ex: Exchange) -> None:
    await ex.hang()
    await ex.reply(ex.answer)


async def _hang_in_headers(ex: WireExchange) -> None:
    await ex.send(b"HTTP/1.1 200 OK\r\nContent-Type: ")
    await ex.hang()
    ex.close()


async def _hang_in_body(ex: WireExchange) -> None:
    half = len(ex.answer.body) // 2
    await ex.head(ex.answer)
    await ex.send(ex.answer.body[:half])
    await ex.hang()
    await ex.send(ex.answer.body[half:])


async def _drip(ex: WireExchange) -> None:
    await ex.head(ex.answer)
    for i in range(len(ex.answer.body)):
        await ex.send(ex.answer.body[i : i + 1])
        await ex.pause(DRIP_S)


async def _drip_headers(ex: WireExchange) -> None:
    head = ex.answer.head()
    for i in range(len(head)):
        await ex.send(head[i : i + 1])
        await ex.pause(DRIP_S)
    await ex.send(ex.answer.body)


async def _drip_fast(ex: WireExchange) -> None:
    whole = ex.answer.head() + ex.answer.body
    for i in range(FAST_DRIP_BYTES):
        await ex.send(whole[i : i + 1])
        await ex.pause(FAST_DRIP_S)
    await ex.send(whole[FAST_DRIP_BYTES:])
    ex.call.status = ex.answer.status


async def _cut_before_status(ex: WireExchange) -> None:
    ex.close()


async def _cut_in_status(ex: WireExchange) -> None:
    await ex.send(b"HTTP/1.1 2")
    ex.close()


async def _cut_in_headers(ex: WireExchange) -> None:
    """libcurl takes this for a whole answer with an empty body; only the missing empty line tells."""
    await ex.send(ex.answer.head()[:-10])
    ex.close()


async def _cut_in_body(ex: WireExchange) -> None:
    await ex.head(ex.answer)
    await ex.send(ex.answer.body[: len(ex.answer.body) // 2])
    ex.close()


async def _cut_in_chunks(ex: WireExchange) -> None:
    """All of the body is there; that it ends is not said."""
    await ex.head(_chunked(ex.answer), length=-1)
    await ex.chunk(ex.answer.body)
    ex.close()


async def _cut_reused(ex: WireExchange) -> None:
    """As when a server closes an idle connection while a request is on its way."""
    if ex.call.nth > 1:
        ex.close()
    await ex.reply(ex.answer)


async def _reset(ex: WireExchange) -> None:
    ex.reset()


async def _reset_in_body(ex: WireExchange) -> None:
    await ex.head(ex.answer)
    await ex.send(ex.answer.body[: len(ex.answer.body) // 2])
    ex.reset()


async def _not_http(ex: WireExchange) -> None:
    await ex.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    ex.close()


async def _endless_headers(ex: WireExchange) -> None:
    await ex.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await ex.send(b"".join(b"X-%d: %b\r\n" % (i, b"x" * 1000) for i in range(64)))


def _filler(ex: Exchange) -> bytes:
    """White space that JSON may begin with; as samples it is audio too."""
    return b" " * PIECE if case_of(ex)[1] != "tts" else b"\0" * PIECE


async def _huge(ex: WireExchange) -> None:
    size = HUGE[case_of(ex)[1]]
    await ex.head(ex.answer, length=size)
    for _ in range(size // PIECE):
        await ex.send(_filler(ex))


async def _huge_promise(ex: WireExchange) -> None:
    """The length alone is reason enough to end it."""
    await ex.head(ex.answer, length=1 << 40)
    await ex.send(_filler(ex))
    await ex.hang()
    ex.close()


async def _endless_chunks(ex: WireExchange) -> None:
    await ex.head(_chunked(ex.answer), length=-1)
    while True:
        await ex.chunk(_filler(ex))


def _chunked(answer: Answer) -> Answer:
    return replace(answer, headers={"Transfer-Encoding": "chunked"})


async def _in_chunks(ex: WireExchange) -> None:
    await ex.head(_chunked(ex.answer), length=-1)
    for at in range(0, len(ex.answer.body), 1000):
        await ex.chunk(ex.answer.body[at : at + 1000])
    await ex.send(b"0\r\nX-Trailer: 1\r\n\r\n")


async def _until_close(ex: WireExchange) -> None:
    ex.call.status = ex.answer.status
    await ex.send(ex.answer.head(length=-1, version="1.0") + ex.answer.body)
    ex.close()


async def _closes_after(ex: WireExchange) -> None:
    await ex.reply(ex.answer)
    ex.close()


async def _continue(ex: WireExchange) -> None:
    await ex.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    await ex.reply(ex.answer)


def _gzip_if_asked(ex: Exchange) -> Answer:
    if "gzip" not in (ex.call.header("accept-encoding") or ""):
        return ex.answer
    return replace(ex.answer, body=gzip.compress(ex.answer.body), headers={"Content-Encoding": "gzip"})


def _encoding_not_asked(ex: Exchange) -> Answer:
    """gzip, or if that was asked for something unheard of."""
    name = "x-own" if "gzip" in (ex.call.header("accept-encoding") or "") else "gzip"
    return replace(ex.answer, body=gzip.compress(ex.answer.body), headers={"Content-Encoding": name})


FAULTS_WIRE = [
    Fault("hang", "transient", _hang, slow=True),
    Fault("hang_in_headers", "transient", _hang_in_headers, raw=True, slow=True),
    Fault("hang_in_body", "transient", _hang_in_body, raw=True, slow=True),
    Fault("drip", "transient", _drip, raw=True, slow=True),
    Fault("drip_headers", "transient", _drip_headers, raw=True, slow=True),
    Fault("drip_fast", "fine", _drip_fast, raw=True),
    Fault("cut_before_status", "transient", _cut_before_status, raw=True),
    Fault("cut_in_status", "transient", _cut_in_status, raw=True),
    Fault("cut_in_headers", "transient", _cut_in_headers, raw=True),
    Fault("cut_in_body", "transient", _cut_in_body, raw=True),
    Fault("cut_in_chunks", "transient", _cut_in_chunks, raw=True),
    Fault("cut_reused", "fine", _cut_reused, raw=True),
    Fault("reset", "transient", _reset, raw=True),
    Fault("reset_in_body", "transient", _reset_in_body, raw=True),
    Fault("not_http", "transient", _not_http, raw=True),
    Fault("endless_headers", "transient", _endless_headers, raw=True),
    Fault("huge_body", "unusable", _huge, raw=True),
    Fault("huge_promise", "unusable", _huge_promise, raw=True),
    Fault("endless_chunks", "unusable", _endless_chunks, raw=True),
    Fault("in_chunks", "fine", _in_chunks, raw=True),
    Fault("until_close", "fine", _until_close, raw=True),
    Fault("closes_after", "fine", _closes_after, raw=True),
    Fault("continue_unasked", "fine", _continue, raw=True),
    Fault("gzip_if_asked", "fine", changed(_gzip_if_asked)),
    Fault("encoding_not_asked", "unusable", changed(_encoding_not_asked)),
]
