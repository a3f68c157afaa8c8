# SPDX-License-Identifier: Apache-2.0
"""Plugins for LiveKit Agents, 1.2 to the newest, that need no network: hearing that knows what is said, a model that
goes by a script, flite for the voice. `AGENT_MODELS=scripted_models:models` gives them to the example's worker."""

from __future__ import annotations

import array
import asyncio
import json
import os
import signal
from typing import Any

from livekit import rtc
from livekit.agents import get_job_context, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions

import dialogue
import flite

LOUD = 300  # mean of |sample|
SPEECH_MIN_S = 0.3
SILENCE_S = 0.6  # longer than any pause within a sentence of flite's
CRASHES_AFTER_S = 2.0
PIECE_S = 0.1


# --- hearing ---


class ScriptedSTT(stt.STT):
    """Notices when somebody speaks and when they stop; what they say then is the next line of `lines`."""

    def __init__(self, *lines: str) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.lines = list(lines)

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError("only streams")

    def stream(
        self,
        *,
        language: Any = NOT_GIVEN,  # noqa: ARG002
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> ScriptedHearing:
        return ScriptedHearing(stt=self, conn_options=conn_options, sample_rate=flite.RATE)


class ScriptedHearing(stt.RecognizeStream):
    _stt: ScriptedSTT

    async def _run(self) -> None:
        speech_s = silence_s = 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            samples = array.array("h", bytes(frame.data))
            if sum(map(abs, samples)) > LOUD * len(samples):
                if speech_s == 0:
                    self._tell(stt.SpeechEventType.START_OF_SPEECH)
                speech_s += frame.duration
                silence_s = 0.0
            elif speech_s > 0:
                silence_s += frame.duration
                if silence_s >= SILENCE_S:
                    if speech_s >= SPEECH_MIN_S and self._stt.lines:
                        self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, self._stt.lines.pop(0))
                    self._tell(stt.SpeechEventType.END_OF_SPEECH)
                    speech_s = silence_s = 0.0

    def _tell(self, kind: stt.SpeechEventType, text: str = "") -> None:
        said = [stt.SpeechData(language="en", text=text, confidence=1.0)] if text else []
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=said))


# --- thinking ---


class ScriptedLLM(llm.LLM):
    """Asks for the day, books a table, confirms."""

    @property
    def model(self) -> str:
        return dialogue.MODEL

    @property
    def provider(self) -> str:
        return dialogue.PROVIDER

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[Any] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        return ScriptedThought(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ScriptedThought(llm.LLMStream):
    async def _run(self) -> None:
        delta = self._next()
        read, written, both = dialogue.TOKENS
        usage = llm.CompletionUsage(prompt_tokens=read, completion_tokens=written, total_tokens=both)
        self._event_ch.send_nowait(llm.ChatChunk(id="chunk", delta=delta))
        self._event_ch.send_nowait(llm.ChatChunk(id="chunk", usage=usage))

    def _next(self) -> llm.ChoiceDelta:
        items = self._chat_ctx.items
        if any(item.type == "function_call_output" for item in items):
            return llm.ChoiceDelta(role="assistant", content=dialogue.BOOKED)
        said = next((i.text_content or "" for i in reversed(items) if i.type == "message" and i.role == "user"), "")
        if said == dialogue.WHEN:
            call = llm.FunctionToolCall(name=dialogue.TOOL, arguments=json.dumps(dialogue.TOOL_ARGS), call_id="call_1")
            return llm.ChoiceDelta(role="assistant", tool_calls=[call])
        text = dialogue.WHICH_DAY if said == dialogue.REQUEST else dialogue.LOST
        return llm.ChoiceDelta(role="assistant", content=text)


# --- speaking ---


class FliteTTS(tts.TTS):
    def __init__(self, *, crashes: bool) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=flite.RATE, num_channels=1)
        self.crashes = crashes

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return FliteStream(tts=self, input_text=text, conn_options=conn_options)


class FliteStream(tts.ChunkedStream):
    _tts: FliteTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        pcm = await asyncio.to_thread(flite.speak, self.input_text, voice=dialogue.AGENT_VOICE)
        output_emitter.initialize(request_id="flite", sample_rate=flite.RATE, num_channels=1, mime_type="audio/pcm")
        if self._tts.crashes and self.input_text == dialogue.BOOKED:
            await self._crash(output_emitter, pcm)
        output_emitter.push(pcm)
        output_emitter.flush()

    async def _crash(self, output_emitter: tts.AudioEmitter, pcm: bytes) -> None:
        """As if from a fault in native code: no handler runs, nothing is flushed."""
        piece = 2 * round(PIECE_S * flite.RATE)
        for at in range(0, 2 * round(CRASHES_AFTER_S * flite.RATE), piece):
            output_emitter.push(pcm[at : at + piece])
            await asyncio.sleep(PIECE_S)
        os.kill(os.getpid(), signal.SIGKILL)


def models() -> dict[str, Any]:
    """What a session has that hears the end of a turn by itself."""
    return {
        "stt": ScriptedSTT(dialogue.REQUEST, dialogue.WHEN),
        "llm": ScriptedLLM(),
        "tts": FliteTTS(crashes=get_job_context().room.name.startswith(dialogue.CRASHES)),
        "vad": None,
        "turn_detection": "stt",
        "min_endpointing_delay": 0.1,
    }
