"""What a search finds, and the file that it goes on from: a line for each prompt."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from logit_amp_chat.core.experiments.record_file import FileKind
from logit_amp_chat.core.experiments.result_file import ResultFile
from logit_amp_chat.core.reading import Chat, Content, PlainText
from logit_amp_chat.core.records import Candidate, Role

HEADER, RESULT = "search", "search-result"
KIND = FileKind(RESULT, "a search", "results", "Choose another file with --out", HEADER)

Order = Literal["mean-kl", "max-kl", "log-ratio"]
Given = Literal["answer", "continuation"]
"""What was measured: after's own answer, or the continuation that was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrongestToken:
    """The token with the largest |log-ratio|: log p and KL(after‖before) in nats."""

    index: int
    token: int
    text: str
    before: float
    after: float
    kl: float
    top: tuple[Candidate, ...] = ()

    @property
    def log_ratio(self) -> float:
        """log p under after − log p under before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """How differently the sides go on after one prompt, in nats.

    `key` identifies the prompt by its content. `messages` are those of a chat, as role and
    text; a text that was read itself has none. `text` is the beginning of the prompt, `begins`
    that of the `tokens` tokens that were measured: KL(after‖before), and log p under after − log
    p under before of all of them together.
    """

    key: str
    source: str
    place: str
    line: int
    measured: Given
    messages: tuple[tuple[Role, str], ...]
    text: str
    begins: str
    tokens: int
    mean_kl: float
    max_kl: float
    log_ratio: float
    strongest: StrongestToken

    def value(self, by: Order) -> float:
        """What it is ranked by; of the log-ratio its size."""
        found = {"mean-kl": self.mean_kl, "max-kl": self.max_kl, "log-ratio": abs(self.log_ratio)}
        value = found[by]
        return math.inf if math.isnan(value) else value  # +∞ and −∞ in one text


# JSON has no infinities: they are strings in these lists. (A list takes a configuration.)
_RESULTS: TypeAdapter[list[SearchResult]] = TypeAdapter(
    list[SearchResult], config=ConfigDict(ser_json_inf_nan="strings")
)


def plain_values(result: SearchResult) -> dict[str, Any]:
    """A result as JSON has it."""
    found: list[dict[str, Any]] = json.loads(_RESULTS.dump_json([result]))
    return found[0]


def key_of(content: Content) -> str:
    """A hash of what is read or answered, whatever file it is in."""
    match content:
        case PlainText(text=text):
            what: object = ["text", text]
        case Chat(messages=messages):
            what = ["chat", [[m.role, m.text] for m in messages]]
        case _:
            what = ["tokens", dataclasses.astuple(content)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


class SearchFile:
    """The results of one search, a line each: append-only, one writer, saved as they come."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Go on with a file, or begin it, as a `ResultFile`; `header` is its header."""
        self.path = path
        self._file = ResultFile(path, header, KIND)
        self.time = str(self._file.header.get("time"))
        self._invalid = 0

    @property
    def damaged(self) -> int:
        """Lines that could not be read, as the last one after a kill; their prompts are new."""
        return self._file.damaged + self._invalid

    def results(self) -> Iterator[SearchResult]:
        """Those that are in the file, in their order."""
        self._invalid = 0
        for fields in self._file.lines():
            try:
                yield from _RESULTS.validate_python([fields])
            except ValidationError:
                self._invalid += 1

    def add(self, result: SearchResult) -> None:
        """Write a result; it is on the disk when this returns. Raises TranscriptError."""
        self._file.append(RESULT, plain_values(result))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()
