"""Blame over groups of stages that fit into memory: what is read when, and what comes out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from logit_amp_chat.core.errors import EngineError, LogitAmpError, PairError, UsageError
from logit_amp_chat.core.experiments.blame import (
    Blame,
    BlameSettings,
    DocumentBlame,
    Reading,
)
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.protocol import Adjustment, Event, Idle, Stop
from logit_amp_chat.core.reading import Names, NamesRequest, PlainText, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Document, Finish, FinishReason

STAGES = ("base", "sft", "dpo", "rl")
LOGP = {"base": -5.0, "sft": -3.0, "dpo": -3.5, "rl": -1.0}


class Stages:
    """Reads a word a token; every other word is as likely under all stages."""

    def __init__(self) -> None:
        self.read: list[tuple[str, tuple[str, ...]]] = []
        self.told: list[Adjustment] = []
        self.stop_after = -1

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        assert isinstance(request.content, PlainText)
        text = request.content.text
        self.read.append((text, request.stages))
        if text == "refused":
            raise LogitAmpError("no")
        if text == "unloaded":
            raise PairError("The weights of rl are damaged.")
        if text == "dead":
            raise EngineError("gone")
        words = text.split()
        offsets, place = [], 0
        for word in words:
            place = text.index(word, place)
            offsets.append((place, place + len(word)))
        yield Document(
            id=request.document,
            source=request.source,
            text=text,
            tokens=len(words),
            offsets=tuple(offsets),
            threshold=0.0,
            window=9,
            stride=4,
        )
        reason: FinishReason = "length"
        for n, word in enumerate(words):
            if len(self.read) == self.stop_after and n == 1:
                reason = "cancelled"
                break
            logp = [LOGP[stage] if word == "owl" else -1.0 for stage in request.stages]
            yield StageBlock(
                document=request.document,
                stages=request.stages,
                done=n + 1,
                total=len(words),
                tokens=(n,),
                logp=(tuple(logp),),
                best=(tuple((7, -0.1) for _ in logp),),
                kl=((0.25,) * (len(logp) - 1),),
            )
        yield Finish(reply=request.document, reason=reason, tokens=len(words), seconds=0.1)
        yield Idle()

    def names(self, request: NamesRequest) -> Iterator[Event]:
        yield Names(tuple(f"<{token}>" for token in request.tokens))
        yield Idle()

    def apply(self, command: Adjustment) -> None:
        self.told.append(command)


def source(text: str, name: str = "a.txt") -> Source:
    return Source(name=name, place="", line=1, content=PlainText(text=text))


def blamed(
    engine: Stages, held: int, *texts: str, **settings: object
) -> tuple[Blame, list[DocumentBlame]]:
    blame = Blame(
        engine,
        STAGES,
        held,
        [source(text) for text in texts],
        BlameSettings(**{"threshold": 1.0, **settings}),  # type: ignore[arg-type]
    )
    return blame, [event for event in blame if isinstance(event, DocumentBlame)]


@pytest.mark.parametrize(
    ("held", "groups"),
    [
        (1, [("base",), ("sft",), ("dpo",), ("rl",)]),
        (2, [("base", "sft"), ("dpo", "rl")]),
        (3, [("base", "sft", "dpo"), ("rl",)]),
        (4, [STAGES]),
    ],
)
def test_each_stage_is_read_once_over_all_texts_before_the_next_are_loaded(
    held: int, groups: list[tuple[str, ...]]
) -> None:
    engine = Stages()
    _, found = blamed(engine, held, "the owl", "an owl")
    assert engine.read == [(text, group) for group in groups for text in ("the owl", "an owl")]
    (_, owl), _ = (one.tokens for one in found)
    assert owl.logp == (-5.0, -3.0, -3.5, -1.0)
    assert owl.changes == (2.0, -0.5, 2.5)
    known = {n for group in groups for n in range(STAGES.index(group[0]), STAGES.index(group[-1]))}
    assert owl.kl == tuple(0.25 if n in known else None for n in range(3))


def test_where_all_are_held_texts_come_out_as_they_are_read() -> None:
    engine = Stages()
    blame = Blame(
        engine, STAGES, 4, [source("the owl"), source("an owl")], BlameSettings(threshold=1)
    )
    events = iter(blame)
    kinds = [type(next(events)) for _ in range(3)]
    assert kinds == [Reading, Reading, DocumentBlame]
    assert len(engine.read) == 1


def test_figures_are_by_file_and_of_all() -> None:
    blame, _ = blamed(Stages(), 2, "the owl", "an owl owl")
    assert (blame.total.documents, blame.total.tokens, blame.total.notable) == (2, 5, 3)
    assert blame.total.blamed == [0, 0, 0, 3]
    assert blame.total.change(1) == pytest.approx(6.0)


def test_only_what_one_stage_did_is_shown_and_all_is_counted() -> None:
    blame, (found,) = blamed(Stages(), 4, "the owl", stage="sft")
    assert found.hunks == ()
    assert blame.total.notable == 1
    _, (found,) = blamed(Stages(), 4, "the owl", stage="rl")
    assert len(found.hunks) == 1


@pytest.mark.parametrize("stage", ["base", "ppo"])
def test_a_stage_that_changed_nothing_is_refused(stage: str) -> None:
    with pytest.raises(UsageError, match=r"can be blamed\. Those .* are sft, dpo, rl"):
        blamed(Stages(), 4, "the owl", stage=stage)


def test_the_usual_threshold_is_that_of_the_first_tokens() -> None:
    blame, found = blamed(Stages(), 4, *["the owl sees all"] * 3, threshold=None)
    assert blame.threshold == pytest.approx(4.0)
    assert {one.document.threshold for one in found} == {blame.threshold}
    assert all(len(one.hunks) == 1 for one in found)


def test_a_text_that_cannot_be_read_is_named_and_the_others_are_read() -> None:
    engine = Stages()
    blame, found = blamed(engine, 2, "refused", "the owl")
    assert [one.document.text for one in found] == ["the owl"]
    assert [refused.error.message for refused in blame.refused] == ["no"]
    assert [text for text, _ in engine.read] == ["refused", "the owl", "the owl"]


def test_a_source_that_was_refused_before_is_passed_on() -> None:
    refused = Refused("b.txt", "", LogitAmpError("not text"))
    blame = Blame(Stages(), STAGES, 4, [refused, source("owl")], BlameSettings(threshold=1.0))
    assert [event for event in blame if isinstance(event, Refused)] == [refused]


def test_an_engine_that_is_gone_ends_it() -> None:
    with pytest.raises(EngineError):
        blamed(Stages(), 4, "dead")


def test_stopped_in_the_first_group_no_text_has_all_stages() -> None:
    engine = Stages()
    engine.stop_after = 1
    blame, found = blamed(engine, 2, "the owl", "an owl")
    assert blame.cancelled
    assert found == []
    assert len(engine.read) == 1


def test_stopped_in_the_last_group_the_texts_before_are_whole() -> None:
    engine = Stages()
    engine.stop_after = 4
    blame, found = blamed(engine, 2, "the owl", "an owl")
    assert blame.cancelled
    assert [len(one.tokens) for one in found] == [2, 1]
    assert [one.is_whole for one in found] == [True, False]


@pytest.mark.parametrize(("held", "stop_after"), [(2, 4), (4, 2)])
def test_a_text_that_was_stopped_is_marked_and_in_no_figures(held: int, stop_after: int) -> None:
    engine = Stages()
    engine.stop_after = stop_after
    blame, found = blamed(engine, held, "the owl", "an owl sees")
    alone, _ = blamed(Stages(), held, "the owl")
    assert found[1] is blame.stopped
    assert blame.total == alone.total
    assert blame.total.documents == 1
    assert blame.figures()["stopped"] == {"file": "a.txt", "place": "", "tokens": 1, "of": 3}
    assert alone.figures()["stopped"] is None


def test_a_stage_that_cannot_be_loaded_ends_it() -> None:
    with pytest.raises(PairError, match="damaged"):
        blamed(Stages(), 4, "the owl", "unloaded")


def test_stopped_before_the_last_group_has_read_all_texts_those_it_has_read_come_out() -> None:
    engine = Stages()
    engine.stop_after = 3
    blame, found = blamed(engine, 2, "the owl", "an owl")
    assert blame.cancelled
    assert [len(one.tokens) for one in found] == [1]
    assert blame.figures()["complete"] is False


def test_names_are_asked_for_once_each() -> None:
    blame = Blame(Stages(), STAGES, 4, [], BlameSettings())
    assert blame.names([7, 8, 7]) == {7: "<7>", 8: "<8>"}


def test_without_a_text_no_name_is_asked_for() -> None:
    engine = Stages()
    engine.names = None  # type: ignore[method-assign, assignment]
    assert Blame(engine, STAGES, 4, [], BlameSettings()).names([]) == {}


def test_the_engine_is_told_to_stop() -> None:
    engine = Stages()
    blame = Blame(engine, STAGES, 4, [source("the owl")], BlameSettings(threshold=1.0))
    blame.stop()
    assert engine.told == [Stop()]
    assert [*blame] == []
