"""A reply that begins with a text is one that was given the text's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from logit_amp_chat.core.chat.prefix import EditedReply
from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.errors import ContextError, UsageError
from logit_amp_chat.core.protocol import Event, Forget, Lane, Noticed, Request
from logit_amp_chat.core.records import Finish, Message, Record, Reply, Step
from logit_amp_chat.core.samples import Draw, PromptRead, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.replay import replay, requests_by_session
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

MakeProfile = Callable[..., Profile]
ASKED = (Message(id="m", parent=None, role="user", text="Otters?"),)
BEGIN = "The sea is, naïve 日本"
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=40)
ALPHAS = {"before": -1.0, "after": 0.0, "amplified": 1.5}


@pytest.fixture(scope="module")
def engine(tiny_pair: MakeProfile) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


def ask(**changed: Any) -> Request:
    lanes = tuple(Lane(reply=name, name=name, alpha=alpha) for name, alpha in ALPHAS.items())
    return replace(Request(messages=ASKED, lanes=lanes, sampling=FREE), **changed)


def ids(engine: LocalEngine, text: str) -> tuple[int, ...]:
    return tuple(engine.pair.tokenizer(text, add_special_tokens=False)["input_ids"])


def events(engine: LocalEngine, request: Request) -> list[Event]:
    """From empty caches, so that numbers are the same to the last digit."""
    engine.apply(Forget())
    return list(engine.generate(request))


def steps(found: Sequence[Event]) -> list[Step]:
    return [event for event in found if isinstance(event, Step)]


def replies(found: Sequence[Event]) -> list[Reply]:
    return [event for event in found if isinstance(event, Reply)]


def logs(engine: LocalEngine, found: Sequence[Event]) -> list[ReplyLog]:
    kinds = (Reply, Step, Finish)
    records = [event for event in found if isinstance(event, kinds)]
    return list(Conversation([engine.opened.session, *records]).replies.values())


def test_it_equals_a_forced_prefix_in_every_lane(engine: LocalEngine) -> None:
    given = ids(engine, BEGIN)
    begun = events(engine, ask(begin=BEGIN))
    assert steps(begun) == steps(events(engine, ask(forced=given)))
    for reply in replies(begun):
        assert reply.forced == len(given)
        own = [step for step in steps(begun) if step.reply == reply.id]
        assert tuple(step.token for step in own[: len(given)]) == given
        assert len(own) > len(given)


def test_its_tokens_are_those_of_the_conversation_so_far(engine: LocalEngine) -> None:
    (reply, *_) = replies(events(engine, ask(begin=BEGIN)))
    whole = ids(engine, f"<|user|>Otters?<|end|><|assistant|>{BEGIN}")
    assert reply.prompt.after + ids(engine, BEGIN) == whole


def test_the_text_follows_forced_tokens(engine: LocalEngine) -> None:
    whole = ids(engine, "The quick brown fox")
    text = engine.pair.tokenizer.decode(whole[3:])
    begun = events(engine, ask(forced=whole[:3], begin=text))
    assert steps(begun) == steps(events(engine, ask(forced=whole)))


def test_a_text_without_a_template_goes_on_likewise(engine: LocalEngine) -> None:
    raw = ask(messages=(replace(ASKED[0], text="The quick"),), raw=True)
    begun = events(engine, replace(raw, begin=" brown fox"))
    assert steps(begun) == steps(events(engine, replace(raw, forced=ids(engine, " brown fox"))))


def test_a_sweep_begins_replies_with_the_same_tokens(engine: LocalEngine) -> None:
    request = SampleRequest(
        prompts=(SamplePrompt(messages=ASKED, begin=BEGIN),),
        draws=(Draw(reply="r", prompt=0, alpha=1.0, seed=1),),
        sampling=FREE,
    )
    (read,) = (event for event in engine.sample(request) if isinstance(event, PromptRead))
    (reply, *_) = replies(events(engine, ask(begin=BEGIN)))
    given = ids(engine, BEGIN)
    assert read.ids.after == reply.prompt.after + given
    assert read.forced == reply.forced == len(given)


def test_it_is_replayed_to_the_last_digit(engine: LocalEngine) -> None:
    records: list[Record] = [engine.opened.session, *ASKED]
    kinds = (Reply, Step, Finish)
    records += [e for e in events(engine, ask(begin=BEGIN)) if isinstance(e, kinds)]
    engine.apply(Forget())
    ((request,),) = [session.requests for session in requests_by_session(records)]
    assert len(request) == len(ALPHAS)
    assert all(result.identical for result in replay(engine, request))


def test_what_it_spells_like_a_special_token_is_text_unless_it_is_meant(
    engine: LocalEngine,
) -> None:
    plain = engine.pair.tokenizer("<|user|>", add_special_tokens=False, split_special_tokens=True)
    (reply, *_) = replies(events(engine, ask(begin="<|user|>")))
    assert reply.forced == len(plain["input_ids"]) > 1
    meant = (replace(ASKED[0], special=True),)
    (reply, *_) = replies(events(engine, ask(begin="<|user|>", messages=meant)))
    assert reply.forced == 1


def test_an_end_of_turn_in_it_is_refused(engine: LocalEngine) -> None:
    meant = (replace(ASKED[0], special=True),)
    for request in (
        ask(begin="a<|end|>b", messages=meant),
        ask(forced=ids(engine, "a<|end|>"), begin="b"),
    ):
        with pytest.raises(UsageError, match="has an end of turn in it"):
            engine.generate(request)


def test_one_that_leaves_nothing_to_sample_is_refused(engine: LocalEngine) -> None:
    given = ids(engine, BEGIN)
    short = FREE.model_copy(update={"max_new_tokens": len(given)})
    said = rf"has {len(given)} tokens, and a reply {len(given)}"
    with pytest.raises(UsageError, match=said) as refused:
        engine.generate(ask(begin=BEGIN, sampling=short))
    assert "F7, Sampling" in refused.value.remedy
    with pytest.raises(ContextError):
        engine.generate(ask(begin=BEGIN * 40, sampling=FREE, edits="r-0"))


def test_the_limit_of_an_edited_reply_counts_after_the_text(engine: LocalEngine) -> None:
    short = FREE.model_copy(update={"max_new_tokens": 2})
    found = events(engine, ask(begin=BEGIN, sampling=short, edits="r-0"))
    for reply in replies(found):
        assert reply.edits == "r-0"
        assert reply.sampling.max_new_tokens == len(ids(engine, BEGIN)) + 2


def test_a_blank_at_its_end_is_kept_and_said(engine: LocalEngine) -> None:
    found = events(engine, ask(begin="The sea "))
    given = ids(engine, "The sea ")
    after = [step.token for step in steps(found) if step.reply == "after"]
    assert tuple(after[: len(given)]) == given
    (said,) = (event for event in found if isinstance(event, Noticed))
    assert "ends in a blank" in said.sentence
    assert not any(isinstance(e, Noticed) for e in events(engine, ask(begin="The sea")))


def test_a_text_right_behind_a_prompt_that_ends_in_a_word_is_said(
    engine: LocalEngine, tiny_pair: MakeProfile
) -> None:
    plain = replace(engine.pair, template=None)  # it ends in "Assistant:"
    for begin, sentences in (("The sea", 1), (" The sea", 0), ("\nThe sea", 0)):
        found = events(LocalEngine(tiny_pair(), plain), ask(begin=begin))
        assert sum(isinstance(event, Noticed) for event in found) == sentences


def test_an_edited_reply_equals_its_tokens_from_nothing() -> None:
    """On the bundled pair: what is unchanged has the very ids that were sampled."""
    demo = LocalEngine.open(load_profile("demo"))
    asked = (replace(ASKED[0], text="Tell me about owls."),)
    lane = (Lane(reply="r-1", name="amplified", alpha=1.5),)
    whole = Request(messages=asked, lanes=lane, sampling=FREE)
    (old,) = logs(demo, events(demo, whole))
    text = old.text[: len(old.text) // 2] + ", and the lighthouse"
    kept, typed, edits = EditedReply(old).prefix(text)
    assert kept == tuple(step.token for step in old.steps[: len(kept)])
    assert len(kept) > 2
    assert typed

    found = events(demo, replace(whole, forced=kept, begin=typed, edits=edits))
    (new,) = logs(demo, found)
    assert new.text.startswith(text)
    again = replace(whole, forced=new.forced, sampling=new.reply.sampling)
    assert steps(found) == steps(events(demo, again))
    for one, other in zip(new.steps[: len(kept)], old.steps, strict=False):
        assert one.token == other.token
        assert one.logp.after == pytest.approx(other.logp.after, abs=1e-4)
        assert one.kl == pytest.approx(other.kl, abs=1e-4)

    demo.apply(Forget())
    (result,) = replay(demo, [new])
    assert result.identical


def test_in_a_process_of_its_own_too(engine: LocalEngine, tiny_pair: MakeProfile) -> None:
    other = ProcessEngine.open(tiny_pair())
    try:
        found = list(other.generate(ask(begin=BEGIN)))
    finally:
        other.close()
    assert steps(found) == steps(events(engine, ask(begin=BEGIN)))
