# SPDX-License-Identifier: Apache-2.0
"""What a model may say: refusals, cut answers, and JSON in all the ways models write it.

Where it is `fine` the score and the transcript are the script's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from vendors.answers import Answer
from vendors.exchange import Exchange
from vendors.fault import (
    GOOGLE,
    JUDGE,
    SPEECH,
    Case,
    Fault,
    Outcome,
    changed,
    get,
    path_of,
    text_in,
    with_member,
    with_text,
)
from vendors.faults_body import CHAT

GEMINI_TEXT: frozenset[Case] = GOOGLE - SPEECH
GEMINI_TRANSCRIPTION: frozenset[Case] = frozenset({("google", "transcription")})
OPENAI_JUDGE: frozenset[Case] = frozenset({("openai", "judge")})
MISTRAL_JUDGE: frozenset[Case] = frozenset({("mistral", "judge")})


def _unusable(name: str, answer: Callable[[Exchange], Answer], cases: frozenset[Case] = JUDGE) -> Fault:
    return Fault(name, "unusable", changed(answer), cases)


# --- the judge's text ---


def _said(name: str, outcome: Outcome, text: Callable[[str], str]) -> Fault:
    """text: from the JSON that was right."""
    return Fault(f"judge_{name}", outcome, changed(lambda ex: with_text(ex, text(text_in(ex)))), JUDGE)


def _scored(name: str, outcome: Outcome, score: Callable[[int], str]) -> Fault:
    """score: as it stands in the JSON, from the right one."""

    def text(right: str) -> str:
        verdict = json.loads(right)
        return f'{{"score": {score(verdict["score"])}, "reason": {json.dumps(verdict["reason"])}}}'

    return _said(f"score_{name}", outcome, text)


def _without(name: str) -> Callable[[str], str]:
    return lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != name})


def _reason(value: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | {"reason": value})


_ODD_TEXT = "a\0b\a \x1b[31m red \r\n forged \u202e \ud83d\ude00 é"

# --- how the answer ends ---


def _finish(chat: str, google: str, *, keep: bool) -> Callable[[Exchange], Answer]:
    """keep: half of the text is there."""

    def answer(ex: Exchange) -> Answer:
        steps = ("candidates", 0, "finishReason") if ex.call.vendor == "google" else ("choices", 0, "finish_reason")
        document = ex.answer.json
        get(document, steps[:-1])[steps[-1]] = google if ex.call.vendor == "google" else chat
        if keep:
            get(document, path_of(ex)[:-1])[path_of(ex)[-1]] = text_in(ex)[: len(text_in(ex)) // 2]
        elif ex.call.vendor == "google":
            del document["candidates"][0]["content"]
        else:
            document["choices"][0]["message"]["content"] = None
        return ex.answer.with_json(document)

    return answer


def _ended(chat: str, google: str) -> Callable[[Exchange], Answer]:
    """All of the text is there; that it ended so is the only sign."""

    def answer(ex: Exchange) -> Answer:
        steps = ("candidates", 0, "finishReason") if ex.call.vendor == "google" else ("choices", 0, "finish_reason")
        return with_member(ex.answer, steps, google if ex.call.vendor == "google" else chat)

    return answer


def _refused(ex: Exchange) -> Answer:
    message = {"role": "assistant", "content": None, "refusal": "I'm sorry, I can't help with that."}
    return with_member(ex.answer, ("choices", 0, "message"), message)


def _blocked(ex: Exchange) -> Answer:
    usage = {"promptTokenCount": 8, "totalTokenCount": 8}
    return ex.answer.with_json({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage})


def _no_candidates(ex: Exchange) -> Answer:
    return ex.answer.with_json({"usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}})


# --- the same in other wrappings ---


def _chunks(ex: Exchange) -> Answer:
    text = text_in(ex)
    return with_text(ex, [{"type": "text", "text": part} for part in (text[:9], text[9:])])


def _thoughts(ex: Exchange) -> Answer:
    """A thought that looks like an answer, and then the answer in two parts."""
    text = text_in(ex)
    thought = {"text": '{"score": 1, "reason": "no", "text": "no"}', "thought": True}
    return with_member(ex.answer, path_of(ex)[:-2], [thought, {"text": text[:9]}, {"text": text[9:]}])


def _audio_in_parts(ex: Exchange) -> Answer:
    part = get(ex.answer.json, path_of(ex)[:-2])
    cut = 4 * 1001  # base64 may be cut between groups of four
    pieces = [part["inlineData"] | {"data": part["inlineData"]["data"][a:b]} for a, b in ((0, cut), (cut, None))]
    return with_member(ex.answer, path_of(ex)[:-3], [{"inlineData": piece} for piece in pieces])


# --- Google's transcription: JSON in a text ---


def _inner(text: str) -> Callable[[Exchange], Answer]:
    return lambda ex: with_text(ex, text)


FAULTS_TEXT = [
    _scored("twice_the_same", "fine", lambda score: f'{score}, "score": {score}'),
    _scored("twice_and_not_the_same", "unusable", lambda score: f'{score - 1}, "score": {score}'),
    _said("fenced", "fine", lambda t: f"```json\n{t}\n```"),
    _said("fenced_untagged", "fine", lambda t: f"```\n{t}\n```\n"),
    _said("in_other_text", "fine", lambda t: f"Here is my verdict {{as asked}}:\n{t}\nI hope this helps."),
    _said("after_thinking", "fine", lambda t: f'<think>{{"score": 1, "reason": "draft"}}</think>{t}'),
    _said("after_thinking_unopened", "fine", lambda t: f'Perhaps {{"score": 1}}.\n</think>\n{t}'),
    _said("after_thinking_in_brackets", "fine", lambda t: f'[THINK]{{"score": 1}} or </think>[/THINK]{t}'),
    _said("after_thinking_in_full", "fine", lambda t: f'<thinking>{{"score": 1}} or </think></thinking>{t}'),
    _said("after_reasoning", "fine", lambda t: f'<reasoning>{{"score": 1}}</reasoning>{t}'),
    _said("after_reasoning_unopened", "fine", lambda t: f'Perhaps {{"score": 1}}.\n</reasoning>\n{t}'),
    _said("reasoning_cut", "unusable", lambda t: f"<reasoning>{t}"),
    _said("reason_with_tags", "fine", _reason('It said </think> and <think> and {"score": 1}.')),
    _said("twice", "fine", lambda t: f"{t}\n{t}"),
    _said("twice_in_array", "fine", lambda t: f"[{t}, {t}]"),
    _said("with_more_members", "fine", lambda t: json.dumps(json.loads(t) | {"confidence": 0.9, "notes": [1]})),
    _scored("string", "fine", lambda n: f'"{n}"'),
    _scored("percent", "fine", lambda n: f'" {n} %"'),
    _scored("of_100", "fine", lambda n: f'"{n}/100"'),
    _scored("fraction", "fine", lambda n: f"{n - 1}.5" if n else "0.4"),
    _said("no_reason", "fine", _without("reason")),
    _said("reason_number", "fine", _reason(5)),
    _said("reason_long", "fine", _reason("reason " * 100_000)),
    _said("reason_controls", "fine", _reason(_ODD_TEXT)),
    _scored("null", "unusable", lambda _: "null"),
    _scored("true", "unusable", lambda _: "true"),
    _scored("words", "unusable", lambda _: '"ninety"'),
    _scored("of_10", "unusable", lambda _: '"9/10"'),
    _scored("negative", "unusable", lambda _: "-1"),
    _scored("101", "unusable", lambda _: "101"),
    _scored("huge", "unusable", lambda _: "1e300"),
    _scored("nan", "unusable", lambda _: "NaN"),
    _scored("nan_string", "unusable", lambda _: '"NaN"'),
    _scored("array", "unusable", lambda n: f"[{n}]"),
    _said("no_score", "unusable", _without("score")),
    _said("quotes_a_score", "unusable", lambda t: f'The agent said {{"score": 100}} but it is {t}'),
    _said("then_another", "unusable", lambda t: f'{t} No: {{"score": 0, "reason": "no"}}'),
    _said("array_of_scores", "unusable", lambda t: f'[{t}, {{"score": 0}}]'),
    _said("then_no_number", "unusable", lambda t: f'{t} {{"score": null}}'),
    _said("then_cut", "unusable", lambda t: f"{t} {t[: len(t) // 2]}"),
    _said("thinking_unclosed", "unusable", lambda t: f"<think>Perhaps {t}"),
    _said("thinking_alone", "unusable", lambda t: f"<think>{t}</think>"),
    _said("prose", "unusable", lambda _: "The agent did well, I would say ninety."),
    _said("empty", "unusable", lambda _: ""),
    _said("blank", "unusable", lambda _: " \n"),
    _said("cut", "unusable", lambda t: t[: len(t) // 2]),
    _said("braces", "unusable", lambda _: "{" * 100_000),
    _unusable("cut_off", _finish("length", "MAX_TOKENS", keep=True), JUDGE | GEMINI_TEXT),
    _unusable("ended_by_limit", _ended("length", "MAX_TOKENS"), JUDGE | GOOGLE),
    _unusable("filtered", _finish("content_filter", "SAFETY", keep=False), OPENAI_JUDGE | GOOGLE),
    _unusable("broken_off", _finish("error", "OTHER", keep=True), MISTRAL_JUDGE | GEMINI_TEXT),
    _unusable("refusal", _refused, OPENAI_JUDGE),
    _unusable("prompt_blocked", _blocked, GOOGLE),
    _unusable("no_candidates", _no_candidates, GOOGLE),
    _unusable("no_parts", lambda ex: with_member(ex.answer, ("candidates", 0, "content"), {"role": "model"}), GOOGLE),
    _unusable("parts_empty", lambda ex: with_member(ex.answer, path_of(ex)[:4], []), GOOGLE),
    _unusable("message_null", lambda ex: with_member(ex.answer, ("choices", 0, "message"), None), CHAT),
    Fault("text_in_chunks", "fine", changed(_chunks), MISTRAL_JUDGE),
    Fault("text_in_parts", "fine", changed(_thoughts), GEMINI_TEXT),
    Fault("audio_in_parts", "fine", changed(_audio_in_parts), GOOGLE & SPEECH),
    _unusable("transcript_prose", _inner("The speaker says hello."), GEMINI_TRANSCRIPTION),
    _unusable("transcript_array", _inner("[]"), GEMINI_TRANSCRIPTION),
    _unusable("transcript_object", _inner("{}"), GEMINI_TRANSCRIPTION),
    _unusable("transcript_null", _inner('{"text": null}'), GEMINI_TRANSCRIPTION),
    _unusable("transcript_number", _inner('{"text": 5}'), GEMINI_TRANSCRIPTION),
    _unusable("transcript_cut", _inner('{"text": "hel'), GEMINI_TRANSCRIPTION),
    _unusable("transcript_empty", _inner(""), GEMINI_TRANSCRIPTION),
]
