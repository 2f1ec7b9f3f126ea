"""A hit as a transcript: the chat shows what was measured, and can go on from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.search import Search, SearchSettings
from logit_amp_chat.core.experiments.search_hit import hit_records
from logit_amp_chat.core.experiments.search_results import SearchResult
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.records import Finish, Message, Reply, Session, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from tests.core.experiments.test_search import chat, prompts, source


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> Iterator[LocalEngine]:
    engine = LocalEngine.open(tiny_pair("llama"))
    yield engine
    engine.close()


def opened(
    engine: LocalEngine, one: Source, settings: SearchSettings
) -> tuple[SearchResult, Conversation]:
    """The result of a prompt, and the conversation that its records are."""
    search = Search(engine, [one], settings)
    assert len(list(search)) == 1
    records = list(hit_records(engine, search.best[0], settings, search.session.time))
    assert isinstance(records[0], Session)
    assert {type(record) for record in records[1:]} == {Message, Reply, Step, Finish}
    return search.best[0], Conversation(records)


def check(result: SearchResult, found: Conversation) -> None:
    """The reply has the measured numbers, and is what the conversation goes on from."""
    log = found.last_reply()
    assert log is not None
    assert found.leaf == log.id
    assert len(log.steps) == result.tokens
    assert sum(step.kl for step in log.steps) / len(log.steps) == pytest.approx(
        result.mean_kl, abs=1e-4
    )
    strongest = log.steps[result.strongest.index]
    assert strongest.token == result.strongest.token
    assert strongest.logp.after == pytest.approx(result.strongest.after, abs=1e-4)
    assert all(len(step.top) >= 10 for step in log.steps)


def test_an_answer_is_decoded_again(engine: LocalEngine) -> None:
    settings = SearchSettings(tokens=6, system="Be kind.")
    result, found = opened(engine, prompts("Otters?")[0], settings)
    check(result, found)
    assert [m.text for m in found.messages.values()] == ["Be kind.", "Otters?"]


def test_a_raw_prompt_stays_raw(engine: LocalEngine) -> None:
    result, found = opened(engine, prompts("the sea")[0], SearchSettings(tokens=6, raw=True))
    check(result, found)
    log = found.last_reply()
    assert log is not None
    assert log.reply.raw


def test_a_continuation_that_was_there_is_the_reply(engine: LocalEngine) -> None:
    said = chat(
        ("user", "Otters?"),
        ("assistant", "the sea"),
        ("user", "naïve"),
        ("assistant", "the lazy dog"),
    )
    result, found = opened(engine, source(said), SearchSettings(tokens=6))
    check(result, found)
    log = found.last_reply()
    assert log is not None
    assert log.text == "the lazy dog"
    assert log.reply.forced == result.tokens
    assert [m.text for m in found.messages.values()] == ["Otters?", "the sea", "naïve"]


def test_a_text_that_was_read_itself_is_no_chat(engine: LocalEngine) -> None:
    settings = SearchSettings(texts=True)
    search = Search(engine, prompts("the sea is warm"), settings)
    assert list(search)
    with pytest.raises(UsageError, match="has no messages"):
        list(hit_records(engine, search.best[0], settings, search.session.time))
