"""A diff reads one source after the other, adds up figures, and can be stopped at any time."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.analysis.hunks import Hunk
from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.experiments.diff import Diff, DiffSettings, DocumentDiff
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.reading import PlainText, ReadRequest
from logit_amp_chat.core.records import Document
from tests.tui.commands.reading_engine import ReadingEngine


def source(text: str, name: str = "a.txt") -> Source:
    return Source(name=name, place="", line=1, content=PlainText(text=text))


def test_every_source_is_a_document_its_hunks_and_its_figures() -> None:
    engine = ReadingEngine({"odd": 3.0})
    diff = Diff(engine, [source("an odd one"), source("none", "b.txt")], DiffSettings(threshold=2))
    events = list(diff)
    kept = [event for event in events if isinstance(event, Document | Hunk | DocumentDiff)]
    assert [type(event) for event in kept] == [
        *(Document, Hunk, DocumentDiff),
        *(Document, DocumentDiff),
    ]
    assert {name: stats.tokens for name, stats in diff.files.items()} == {"a.txt": 3, "b.txt": 1}
    assert (diff.total.documents, diff.total.tokens, diff.total.raised) == (2, 4, 1)


def test_the_texts_of_one_file_are_one_line_of_figures() -> None:
    diff = Diff(ReadingEngine(), [source("one two"), source("three")], DiffSettings())
    list(diff)
    assert diff.files["a.txt"].documents == 2
    assert diff.files["a.txt"].tokens == 3


def test_the_threshold_is_chosen_from_the_first_thousand_tokens() -> None:
    words = [f"w{n}" for n in range(3000)]
    engine = ReadingEngine({f"w{n}": n / 100 for n in range(0, 1024, 64)} | {"w2000": 99.0})
    engine.block = 64
    diff = Diff(engine, [source(" ".join(words))], DiffSettings())
    diff.choose_threshold()
    assert diff.settings.threshold == 3.8  # the tenth of 0.64 … 9.6: ten places in 1,024 tokens
    assert len(engine.requests) == 1


def test_it_is_chosen_over_several_texts() -> None:
    engine = ReadingEngine({"odd": 3.0})
    diff = Diff(engine, [source("an odd one")] * 4, DiffSettings())
    diff.choose_threshold()
    assert diff.settings.threshold == 3.0


def test_a_refused_source_is_told_and_the_others_are_read() -> None:
    engine = ReadingEngine()
    engine.refuses = "bad"
    diff = Diff(engine, [source("bad"), source("good", "b.txt")], DiffSettings())
    diff.choose_threshold()
    events = list(diff)
    assert [event.name for event in events if isinstance(event, Refused)] == ["a.txt"]
    assert list(diff.files) == ["b.txt"]
    assert len(diff.refused) == 1


def test_an_engine_that_died_ends_all() -> None:
    class Dying(ReadingEngine):
        def read(self, request: ReadRequest):  # type: ignore[no-untyped-def]
            raise EngineError("The engine process is gone.")

    with pytest.raises(EngineError):
        list(Diff(Dying(), [source("text")], DiffSettings()))


def test_stopping_before_the_engine_is_told_still_ends_it() -> None:
    """As ctrl+c does while a long text is being tokenized."""
    engine = ReadingEngine(block=1)
    diff = Diff(engine, [source("one two three four"), source("never")], DiffSettings())
    events = []
    for event in diff:
        events.append(event)
        if isinstance(event, Document):
            diff.cancelled = True
    ended = [event for event in events if isinstance(event, DocumentDiff)]
    assert [one.finish.reason for one in ended] == ["cancelled"]
    assert ended[0].finish.tokens < 4
    assert len(engine.requests) == 1
