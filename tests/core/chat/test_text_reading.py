"""A text that is read without a screen: asking, saving, and what it goes on from."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.continuation import continuation
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.text_reading import EVERYWHERE, TextReading
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.reading import Chat, Content, PlainText, ReadRequest, Recorded
from logit_amp_chat.core.records import (
    Document,
    Finish,
    LogProbs,
    Message,
    PromptIds,
    Ranks,
    Record,
    Role,
    Step,
)
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.tui.chat_driver import Engines, types

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def source(content: Content) -> Source:
    return Source(name="x.txt", place="", line=1, content=content)


def text(length: int = 3) -> Source:
    return source(PlainText(text=" word" * length))


def asked(engines: Engines) -> list[ReadRequest]:
    return [c for c in engines.last.commands if isinstance(c, ReadRequest)]


def saved(reading: TextReading) -> list[Record]:
    assert reading.path is not None
    return read_records(reading.path)


class TestAsking:
    def test_it_is_asked_once_as_soon_as_the_engine_is_free(
        self, session: ChatSession, engines: Engines
    ) -> None:
        session.submit("Hi")
        reading = TextReading(session, text())
        reading.follow()
        assert asked(engines) == []
        engines.last.finish()
        session.drain()
        reading.follow()
        reading.follow()
        assert len(asked(engines)) == 1

    def test_it_has_the_alpha_that_is_live_then(
        self, session: ChatSession, engines: Engines
    ) -> None:
        reading = TextReading(session, text())
        session.set_alpha(3.0)
        reading.follow()
        assert asked(engines)[0].alphas == (3.0,)
        assert reading.alpha == 3.0

    @pytest.mark.parametrize(("characters", "everywhere"), [(0, True), (1, False)])
    def test_short_texts_have_candidates_at_every_token(
        self, session: ChatSession, engines: Engines, characters: int, everywhere: bool
    ) -> None:
        engines.last.holds = True
        long = "x" * (EVERYWHERE + characters)
        TextReading(session, source(PlainText(text=long))).follow()
        assert asked(engines)[0].everywhere is everywhere


class TestSaving:
    def test_nothing_of_it_is_in_the_chat(self, session: ChatSession, engines: Engines) -> None:
        session.submit("Hi")
        engines.last.finish()
        session.drain()
        before = types(session)
        reading = TextReading(session, text())
        reading.follow()
        session.drain()
        assert [r.type for r in saved(reading)] == ["session", "document", *["step"] * 3, "finish"]
        assert types(session) == before

    def test_a_closed_session_leaves_a_file_with_an_end(
        self, session: ChatSession, engines: Engines
    ) -> None:
        engines.last.holds = True
        reading = TextReading(session, text())
        reading.follow()
        engines.last.read(2)
        session.close()
        last = saved(reading)[-1]
        assert isinstance(last, Finish)
        assert (last.reason, last.tokens) == ("cancelled", 2)

    def test_one_that_was_left_is_saved_to_its_end(
        self, session: ChatSession, engines: Engines
    ) -> None:
        engines.last.holds = True
        reading = TextReading(session, text())
        reading.follow()
        engines.last.read(1)
        reading.leave()
        session.drain()
        assert isinstance(saved(reading)[-1], Finish)
        assert reading.is_saved
        assert session.state == "ready"

    def test_two_texts_have_two_files(self, session: ChatSession) -> None:
        paths: set[Path | None] = set()
        for _ in range(2):
            reading = TextReading(session, text())
            reading.follow()
            session.drain()
            reading.leave()
            paths.add(reading.path)
        assert len(paths - {None}) == 2


def steps_of(count: int) -> list[Step]:
    """Steps whose token ids are 100, 101, …"""
    return [
        Step(
            reply="d", index=n, alpha=0.0, token=100 + n, text="", logp=LogProbs(-1, -1, -1),
            rank=Ranks(1, 1, 1), kl=0.0, kl_amplified=0.0, entropy=0.0,
        )
        for n in range(count)
    ]  # fmt: skip


def document(
    words: list[str],
    *,
    window: int = 100,
    stride: int = 50,
    first: int = 0,
    spans: tuple[tuple[int, Role, int, int], ...] = (),
) -> Document:
    """A token a word; the first `first` of them are not scored."""
    ends = [len(" ".join(words[: n + 1])) for n in range(len(words))]
    begins = [0, *ends[:-1]]
    return Document(
        id="d", text=" ".join(words), tokens=len(words), window=window, stride=stride,
        offsets=tuple(zip(begins, ends, strict=True))[first:], spans=spans, threshold=1.0,
    )  # fmt: skip


def said(role: Role, words: str) -> Message:
    return Message(id=role, parent=None, role=role, text=words)


class TestGoingOn:
    plain = PlainText(text=" ".join(WORDS))

    def test_a_text_is_given_as_it_was_read(self) -> None:
        found = continuation(self.plain, document(WORDS), steps_of(10), 4)
        assert found.raw
        assert [m.text for m in found.messages] == [""]
        assert found.given == (100, 101, 102, 103)

    def test_at_its_first_token_nothing_is_given(self) -> None:
        assert continuation(self.plain, document(WORDS), steps_of(10), 0).given == ()

    @pytest.mark.parametrize(
        ("step", "first"),
        # A beginning of text and five tokens fit: [0, 5), [2, 7), [4, 9), [5, 10).
        [(4, 0), (5, 2), (6, 2), (7, 4), (8, 4), (9, 5)],
    )
    def test_of_a_long_text_only_its_window(self, step: int, first: int) -> None:
        found = continuation(self.plain, document(WORDS, window=6, stride=2), steps_of(10), step)
        assert found.given == tuple(range(100 + first, 100 + step))

    @pytest.mark.parametrize(
        ("step", "prompt", "given"),
        # Scored are two, three …: what is not scored is the prompt.
        [(0, "one", ()), (2, "one", (100, 101)), (5, " three", (102, 103, 104))],
    )
    def test_without_a_beginning_of_text_the_first_token_is_the_prompt(
        self, step: int, prompt: str, given: tuple[int, ...]
    ) -> None:
        short = document(WORDS, window=6, stride=2, first=1)
        found = continuation(self.plain, short, steps_of(9), step)
        assert [m.text for m in found.messages] == [prompt]
        assert found.given == given

    def test_half_a_character_is_no_prompt(self) -> None:
        halves = document(WORDS, first=1)
        both = replace(halves, offsets=((0, 3), *halves.offsets[1:]))
        with pytest.raises(UsageError, match="half a character"):
            continuation(self.plain, both, steps_of(9), 3)

    def test_recorded_tokens_are_refused_with_a_remedy(self) -> None:
        recorded = Recorded(prompt=PromptIds((1,), (1,)), tokens=(1, 2))
        with pytest.raises(UsageError, match="token ids alone") as refused:
            continuation(recorded, document(WORDS), steps_of(10), 1)
        assert "F9" in refused.value.remedy

    def test_text_of_the_template_is_no_message(self) -> None:
        chat = Chat(messages=(said("user", "two"),), score="all")
        spans: tuple[tuple[int, Role, int, int], ...] = ((0, "user", 3, 7),)
        with pytest.raises(UsageError, match="template"):
            continuation(chat, document(WORDS, spans=spans), steps_of(10), 5)

    def test_the_first_message_has_none_before_it_though_it_is_the_assistants(self) -> None:
        chat = Chat(messages=(said("assistant", "two three"),))
        spans: tuple[tuple[int, Role, int, int], ...] = ((0, "assistant", 3, 13),)
        found = continuation(chat, document(WORDS, spans=spans), steps_of(10), 2)
        assert found.raw
        assert [m.text for m in found.messages] == ["one"]
        assert found.given == (101,)


def test_the_figures_are_sums_over_its_tokens(session: ChatSession, engines: Engines) -> None:
    engines.last.ratios = {" word": 2.0}
    reading = TextReading(session, text(4))
    reading.follow()
    session.drain()
    assert reading.stats.tokens == 4
    assert reading.stats.log_ratio == pytest.approx(8.0)
    assert reading.stats.perplexity(reading.stats.logp_before) == pytest.approx(math.exp(3))


def test_hunks_of_a_stream_are_those_of_the_whole(session: ChatSession, engines: Engines) -> None:
    words = [f" w{n:04}" for n in range(3000)]
    engines.last.ratios = {words[n]: 5.0 for n in range(7, 3000, 250)}
    engines.last.holds = True
    content = source(PlainText(text="".join(words)))
    reading = TextReading(session, content)
    reading.follow()
    for _ in range(30):
        engines.last.read(100)
        session.drain()
        assert reading.hunks is not None
    assert [hunk.strongest.index for hunk in reading.hunks] == list(range(7, 3000, 250))
