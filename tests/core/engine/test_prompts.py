"""What an engine prompts with: looked at without decoding, and recorded with replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.process import ProcessEngine
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest, PromptToken, PromptTokens
from logit_amp_chat.core.protocol import Event, Idle, Lane, Noticed, Request
from logit_amp_chat.core.reading import Chat, ReadRequest
from logit_amp_chat.core.records import Document, Message, Opening, PromptIds, Reply
from logit_amp_chat.core.samples import Draw, PromptRead, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from tests.models import TEMPLATE, save_side

QUESTION = Message(id="m", parent=None, role="user", text="Hi")
DATED = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}"
THINKING = "{% if thinking is defined and thinking %}hm{% endif %}"
STRICT = "{% if messages[0]['content'] == 'no' %}{{ raise_exception('never') }}{% endif %}"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    folder = tmp_path_factory.mktemp("prompted")
    template = STRICT + DATED + TEMPLATE + THINKING
    sides = {
        name: {"model": str(save_side(folder / name, seed=seed, template=template))}
        for seed, name in enumerate(("before", "after"))
    }
    sides["before"]["system"] = "be brief"
    how = {"name": "prompted", "dtype": "float32", "device": "cpu", "trust_caches": True}
    return Profile.model_validate({**sides, **how, "template": {"date_string": "26 Jul 2024"}})


@pytest.fixture(scope="module")
def engine(profile: Profile) -> LocalEngine:
    return LocalEngine.open(profile)


def ask(**more: Any) -> Request:
    lanes = (Lane(reply="a", name="a", alpha=0.0), Lane(reply="b", name="b", alpha=1.0))
    sampling = Sampling(temperature=0.0, max_new_tokens=1)
    return Request(messages=(QUESTION,), lanes=lanes, sampling=sampling, **more)


def tokens(engine: Engine, request: PromptRequest) -> PromptTokens:
    events = [*engine.prompt(request)]
    assert isinstance(events[-1], Idle)
    (found,) = [e for e in events if isinstance(e, PromptTokens)]
    return found


def replies(events: list[Event]) -> list[Reply]:
    return [e for e in events if isinstance(e, Reply)]


def text(found: PromptTokens) -> tuple[str, str]:
    before, after = ("".join(token.text for token in side) for side in (found.before, found.after))
    return before, after


def test_the_prompt_of_each_side_is_rendered_and_nothing_decoded(engine: LocalEngine) -> None:
    found = tokens(engine, PromptRequest(messages=(QUESTION,)))
    asked = "<|user|>Hi<|end|><|assistant|>"
    assert text(found) == (f"26 Jul 2024<|system|>be brief<|end|>{asked}", f"26 Jul 2024{asked}")
    assert [t.text for t in found.after if t.special] == ["<|user|>", "<|end|>", "<|assistant|>"]
    assert found.given == ()
    assert found.notices == ("The chat template says of its own: 26 Jul 2024",)


def test_it_is_what_a_reply_is_prompted_with(engine: LocalEngine) -> None:
    said = replace(QUESTION, text="a <|end|> b 🙂")
    found = tokens(engine, PromptRequest(messages=(said,)))
    request = replace(ask(), messages=(said,))
    for reply in replies([*engine.generate(request)]):
        assert reply.prompt.before == tuple(t.id for t in found.before)
        assert reply.prompt.after == tuple(t.id for t in found.after)


def test_a_raw_prompt_and_given_tokens_are_shown_too(engine: LocalEngine) -> None:
    raw = replace(QUESTION, text="<|user|>Hi")
    found = tokens(engine, PromptRequest(messages=(raw,), raw=True, forced=(4, 2)))
    assert text(found)[1] == "<|user|>Hi"
    assert found.after[0].special
    assert [(t.id, t.text, t.special) for t in found.given] == [
        (4, "<|end|>", True),
        (2, "<|assistant|>", True),
    ]


def test_the_texts_of_its_tokens_are_the_prompt(engine: LocalEngine) -> None:
    said = replace(QUESTION, text="naïve 🙂 日本")
    found = tokens(engine, PromptRequest(messages=(said,)))
    assert text(found)[1] == "26 Jul 2024<|user|>naïve 🙂 日本<|end|><|assistant|>"


def test_a_refused_prompt_is_an_error(engine: LocalEngine) -> None:
    with pytest.raises(LogitAmpError, match="never"):
        tokens(engine, PromptRequest(messages=(replace(QUESTION, text="no"),)))


def test_variables_of_a_request_replace_those_of_the_profile(engine: LocalEngine) -> None:
    asked = PromptRequest(messages=(QUESTION,), template={"thinking": True}, time="2026-02-03")
    assert text(tokens(engine, asked))[1] == "03 Feb 2026<|user|>Hi<|end|><|assistant|>hm"
    none = replace(asked, template={})
    assert text(tokens(engine, none))[1] == "03 Feb 2026<|user|>Hi<|end|><|assistant|>"


def test_variables_that_are_equal_and_written_otherwise_are_others(engine: LocalEngine) -> None:
    """`True == 1 == 1.0` in Python, and a template writes each as it is."""
    for value in (True, 1, 1.0):
        reply, *_ = replies([*engine.generate(ask(template={"date_string": value}))])
        shown = tokens(engine, PromptRequest(messages=(QUESTION,), template={"date_string": value}))
        assert text(shown)[1].startswith(f"{value}<|user|>")
        assert reply.prompt.after == tuple(token.id for token in shown.after)
        assert repr(reply.template) == repr({"date_string": value})


def test_replies_record_what_their_prompt_was_rendered_with(engine: LocalEngine) -> None:
    time = "2026-02-03T04:05:06+00:00"
    usual = replies([*engine.generate(ask(time=time))])
    assert {r.time for r in usual} == {time}
    assert [r.template for r in usual] == [{"date_string": "26 Jul 2024"}] * 2
    own = replies([*engine.generate(ask(template={"thinking": True}))])
    assert [r.template for r in own] == [{"thinking": True}] * 2
    assert {r.time for r in own} == {engine.opened.session.time}
    raw = replies([*engine.generate(ask(raw=True))])
    assert [(r.template, r.time) for r in raw] == [({}, None)] * 2


def test_a_variable_that_the_template_does_not_have_is_said_once(engine: LocalEngine) -> None:
    request = ask(template={"enable_thinking": False})
    said = [[e for e in engine.generate(request) if isinstance(e, Noticed)] for _ in range(2)]
    assert [len(one) for one in said] == [1, 0]
    assert "enable_thinking" in said[0][0].sentence
    found = tokens(engine, PromptRequest(messages=(QUESTION,), template=request.template))
    assert said[0][0].sentence in found.notices


def test_special_tokens_that_cannot_be_kept_as_text_are_said_once(profile: Profile) -> None:
    engine = LocalEngine.open(profile)
    template = TEMPLATE.replace("m['content']", "m['content'][:9]")
    said = (replace(QUESTION, text="a<|end|>bcdefg"),)
    request = replace(ask(), messages=said)
    sampled = SampleRequest(
        prompts=(SamplePrompt(messages=said),) * 2,
        draws=(Draw(reply="a", prompt=0, alpha=0.0, seed=1),),
        sampling=Sampling(max_new_tokens=1),
    )
    answers: list[Callable[[Engine], Iterator[Event]]] = [
        lambda engine: engine.generate(request),
        lambda engine: engine.sample(sampled),
    ]
    for answer in answers:
        cut = LocalEngine(profile, replace(engine.pair, template=template))
        told = [[e for e in answer(cut) if isinstance(e, Noticed)] for _ in range(2)]
        assert [len(one) for one in told] == [1, 0]


def test_a_date_of_the_profile_pins_the_moment(profile: Profile) -> None:
    dated = profile.model_copy(update={"date": "2024-07-26", "template": {"thinking": True}})
    engine = LocalEngine.open(dated)
    for time in (None, "2026-02-03T04:05:06+00:00"):
        found = tokens(engine, PromptRequest(messages=(QUESTION,), time=time))
        assert text(found)[1] == "26 Jul 2024<|user|>Hi<|end|><|assistant|>hm"
    (reply, _) = replies([*engine.generate(ask())])
    assert reply.time == "2024-07-26T00:00:00+00:00"


def test_an_unknown_variable_of_the_profile_is_a_notice(profile: Profile) -> None:
    unknown = profile.model_copy(update={"template": {"enable_thinking": False}})
    notices = LocalEngine.open(unknown).opened.notices
    assert [n for n in notices if "enable_thinking" in n]


def test_an_engine_tells_which_tokens_a_message_does_not_mean(engine: LocalEngine) -> None:
    assert {"<|end|>", "<|user|>", "<|system|>"} <= {*engine.opened.special_tokens}


@pytest.fixture
def other_process(profile: Profile) -> Iterator[ProcessEngine]:
    engine = ProcessEngine.open(profile)
    yield engine
    engine.close()


def test_another_process_renders_the_same(
    engine: LocalEngine, other_process: ProcessEngine
) -> None:
    request = PromptRequest(messages=(QUESTION,), template={"thinking": True}, time="2026-02-03")
    assert tokens(other_process, request) == tokens(engine, request)
    assert other_process.opened.special_tokens == engine.opened.special_tokens


def test_a_recorded_prompt_is_shown_as_it_was_and_not_rendered_anew(engine: LocalEngine) -> None:
    (reply, _) = replies([*engine.generate(ask())])
    asked = PromptRequest(messages=(QUESTION,), recorded=reply.prompt, time=reply.time)
    shown = tokens(engine, asked)
    assert tuple(token.id for token in shown.before) == reply.prompt.before
    assert tuple(token.id for token in shown.after) == reply.prompt.after
    assert shown == tokens(engine, replace(asked, recorded=None)), "the messages say no other"
    cut = PromptIds(reply.prompt.before[1:], reply.prompt.after)
    other = tokens(engine, replace(asked, recorded=cut))
    assert tuple(token.id for token in other.before) == cut.before
    assert other.notices == (
        "This is the prompt as it was recorded; the same messages are rendered differently now.",
    )


def test_a_reply_may_have_the_prompt_of_another(engine: LocalEngine) -> None:
    """A lane with messages of its own is prompted with these."""
    given = PromptIds(before=(5, 6), after=(7, 8, 9))
    other = Lane(reply="c", name="c", alpha=0.0, messages=(replace(QUESTION, text="Ho"),))
    asked = ask(prompt=given)
    events = [*engine.generate(replace(asked, lanes=(*asked.lanes, other)))]
    own = tokens(engine, PromptRequest(messages=other.messages or ()))
    assert [reply.prompt.after for reply in replies(events)] == [
        given.after,
        given.after,
        tuple(token.id for token in own.after),
    ]
    assert replies(events)[0].prompt == given


def test_a_character_of_several_tokens_is_shown_where_it_is_complete(engine: LocalEngine) -> None:
    text = "水獺 🦦"
    request = PromptRequest(messages=(replace(QUESTION, text=text),), raw=True)
    shown = tokens(engine, request).after
    assert text in "".join(token.text for token in shown)
    assert "\ufffd" not in "".join(token.text for token in shown)
    assert len(shown) > len(text), "the test's tokenizer cuts it into bytes"


def test_openings_readings_and_samples_have_the_variables_of_their_request(
    engine: LocalEngine,
) -> None:
    own: dict[str, Any] = {"template": {"thinking": True}, "time": "2026-02-03"}
    expected = "03 Feb 2026<|user|>Hi<|end|><|assistant|>hm"
    decode = engine.pair.tokenizer.decode

    asked = OpeningsRequest(messages=(QUESTION,), alpha=0.0, **own)
    (opening,) = [e for e in engine.openings(asked) if isinstance(e, Opening)]
    assert decode(opening.prompt.after) == expected

    prompt = SamplePrompt(messages=(QUESTION,))
    draws = (Draw(reply="a", prompt=0, alpha=0.0, seed=1),)
    wanted = SampleRequest(
        prompts=(prompt,), draws=draws, sampling=Sampling(max_new_tokens=1), **own
    )
    (read,) = [e for e in engine.sample(wanted) if isinstance(e, PromptRead)]
    assert decode(read.ids.after) == expected

    content = Chat(messages=(QUESTION,), score="all")
    reading = ReadRequest(document="d", content=content, **own)
    (document,) = [e for e in engine.read(reading) if isinstance(e, Document)]
    assert document.text.startswith("03 Feb 2026<|user|>Hi")


def between(side: tuple[PromptToken, ...]) -> int:
    """The tokens between a role and the end of its message."""
    found, inside = 0, False
    for token in side:
        if token.special:
            inside = token.text in ("<|system|>", "<|user|>", "<|assistant|>")
        else:
            found += inside
    return found


def test_it_is_counted_what_the_template_adds(engine: LocalEngine) -> None:
    for text in ("xyz", "水獺", "Say <|end|>"):
        shown = tokens(engine, PromptRequest(messages=(replace(QUESTION, text=text),)))
        sides = shown.before, shown.after
        assert between(shown.before) > between(shown.after) > 0
        assert shown.added == tuple(len(side) - between(side) for side in sides)


def test_replies_are_not_the_templates(engine: LocalEngine) -> None:
    for ids in (None, engine._prompts.chat().encoded("well")):
        answer = Message(id="a", parent="m", role="assistant", text="well", token_ids=ids)
        shown = tokens(engine, PromptRequest(messages=(QUESTION, answer, QUESTION)))
        assert between(shown.after) >= 3
        assert shown.added[1] == len(shown.after) - between(shown.after)


def test_what_the_template_adds_is_not_counted_where_that_is_uncertain(
    engine: LocalEngine,
) -> None:
    raw = tokens(engine, PromptRequest(messages=(QUESTION,), raw=True))
    assert raw.added == (None, None)
