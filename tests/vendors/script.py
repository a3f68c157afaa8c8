# SPDX-License-Identifier: Apache-2.0
"""What the vendors hear and judge; tests put their own functions in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vendors.audio import Wav

HEARS_WITHIN_MS = 20  # a table's duration is met by a recording that differs by so much


@dataclass(frozen=True)
class Word:
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Heard:
    text: str
    words: tuple[Word, ...]
    language: str = "en"


@dataclass(frozen=True)
class Asked:
    """What a judge was told. The last three are None where xrayd's prompt has no such section."""

    system: str
    user: str
    reference: str | None
    rubric: str | None
    transcript: str | None

    @staticmethod
    def of(system: str, user: str) -> Asked:
        return Asked(system, user, _section(user, "reference"), _section(user, "rubric"), _section(user, "transcript"))


def _section(text: str, name: str) -> str | None:
    """server/src/providers/judge_prompt.c: each between marks on lines of their own."""
    found = re.search(rf"^<{name}>\n(.*?)^</{name}>$", text, re.DOTALL | re.MULTILINE)
    return found[1].rstrip("\n") if found else None


Hear = Callable[[Wav], str | Heard]
Judge = Callable[[Asked], int | tuple[int, str] | str]


def spread(text: str, seconds: float, language: str = "en") -> Heard:
    """The words of a text, equally long, over a recording."""
    words = text.split()
    each = seconds / max(len(words), 1)
    times = [(round(i * each, 2), round((i + 1) * each, 2)) for i in range(len(words))]
    return Heard(text, tuple(Word(w, *t) for w, t in zip(words, times, strict=True)), language)


def by_duration(table: Mapping[int, str]) -> Hear:
    """Hears what the table says for a recording of so many milliseconds; AssertionError for any other."""

    def hear(wav: Wav) -> str:
        nearest = min(table, key=lambda ms: abs(ms - wav.ms))
        assert abs(nearest - wav.ms) <= HEARS_WITHIN_MS, f"{wav.ms} ms were heard, the table has {sorted(table)}"
        return table[nearest]

    return hear


def hear_duration(wav: Wav) -> str:
    return f"heard {wav.ms} ms"


def judge_well(_asked: Asked) -> tuple[int, str]:
    return 90, "The agent said what was asked for."


@dataclass
class Script:
    """hear: a text, or one with words. judge: a score, one with a reason, or the model's words as they are."""

    hear: Hear = field(default=hear_duration)
    judge: Judge = field(default=judge_well)

    def heard(self, wav: Wav) -> Heard:
        heard = self.hear(wav)
        return heard if isinstance(heard, Heard) else spread(heard, wav.seconds)

    def judged(self, asked: Asked, *, as_json: bool) -> str:
        """as_json: the model was made to answer JSON; else it does so in the midst of other words."""
        verdict = self.judge(asked)
        if isinstance(verdict, str):
            return verdict
        score, reason = verdict if isinstance(verdict, tuple) else (verdict, "Because.")
        text = json.dumps({"score": score, "reason": reason}, ensure_ascii=False)
        return text if as_json else f"I have looked at it.\n{text}\nThat is all."


def tokens(text: str) -> int:
    """What the vendors count here."""
    return max(1, (len(text) + 3) // 4)
