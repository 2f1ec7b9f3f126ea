"""The end of a reply as chat templates write it, and what it does where no model names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.models.template_end import template_end
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Finish, Reply, Step
from logit_amp_chat.core.samples import SamplePrompt
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.replay import replay
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.core.turn_ends import TurnEnds
from tests.core.engine.sampling import ask, draws, messages, sampled
from tests.models import TEMPLATE, save_pair, tiny_tokenizer

MakeProfile = Callable[..., Profile]
END, USER = 4, 1  # <|end|> and <|user|> of the tiny tokenizer

LOOP = "{% for m in messages %}"
REST = "{% endfor %}"


def found(template: str | None) -> TurnEnds:
    return template_end(ChatTemplate(tiny_tokenizer(), template, (None, None)))


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (TEMPLATE, TurnEnds(frozenset({END}))),
        # blanks before the token are the template's
        (LOOP + "<|user|>{{ m.content }}\n <|end|>" + REST, TurnEnds(frozenset({END}))),
        # the last reply has an end of its own, as in Harmony
        (
            LOOP + "{{ m.content }}{{ '<|endoftext|>' if loop.last else '<|end|>' }}" + REST,
            TurnEnds(frozenset({0})),
        ),
        # no end, but the next message's beginning
        (LOOP + "<|{{ m.role }}|>{{ m.content }}\n" + REST, TurnEnds(frozenset({USER}))),
        (None, TurnEnds(texts=("\n\nUser:",))),
        (
            LOOP + "### {{ m.role }}\n{{ m.content }}\n\n" + REST,
            TurnEnds(texts=("\n\n### user",)),
        ),
        # nothing is between them, nothing can be found, or these messages are refused
        (LOOP + "{{ m.content }}" + REST, TurnEnds()),
        (LOOP + "{{ m.content | upper }}<|end|>" + REST, TurnEnds()),
        ("{{ raise_exception('no') }}", TurnEnds()),
    ],
)
def test_what_stands_behind_a_reply_ends_it(template: str | None, ends: TurnEnds) -> None:
    assert found(template) == ends


def names_no_end(folder: Path, template: str | None) -> Profile:
    """A pair none of whose files names <|end|> as an end of turn."""
    sides = save_pair(folder)
    for side in sides:
        for name, changed in (
            ("config.json", {"eos_token_id": 0}),
            ("generation_config.json", {"eos_token_id": 0}),
            ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
        ):
            data = json.loads((side / name).read_text()) | changed
            (side / name).write_text(json.dumps(data))
        if template is None:
            (side / "chat_template.jinja").unlink()
    before, after = (Side(model=str(side)) for side in sides)
    return Profile(name="p", before=before, after=after, dtype="float32", device="cpu")


def test_the_templates_end_counts_where_no_model_names_it(tmp_path: Path) -> None:
    pair = load_pair(names_no_end(tmp_path, TEMPLATE))
    assert pair.turn_ends == TurnEnds(frozenset({0, END}))
    assert any("ends replies with '<|end|>'" in notice for notice in pair.notices)


def test_where_a_model_names_it_there_is_nothing_to_say(tiny_pair: MakeProfile) -> None:
    pair = load_pair(tiny_pair())
    assert pair.turn_ends == TurnEnds(frozenset({END}))
    assert not any("ends replies" in notice for notice in pair.notices)


def test_without_a_template_replies_end_before_the_next_turn(tmp_path: Path) -> None:
    profile = names_no_end(tmp_path, None)
    pair = load_pair(profile)
    assert pair.turn_ends == TurnEnds(frozenset({0}), ("\n\nUser:",))
    assert any("replies end before '\\n\\nUser:'" in notice for notice in pair.notices)
    assert LocalEngine(profile, pair).opened.session.next_turn == ("\n\nUser:",)


# --- replies ----------------------------------------------------------------------


FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=40)


@pytest.fixture(scope="module")
def engine(tiny_pair: MakeProfile) -> LocalEngine:
    """One whose template goes on with an e: random replies end soon."""
    profile = tiny_pair()
    pair = replace(load_pair(profile), end_of_turn=frozenset(), next_turn=("e",))
    return LocalEngine(profile, pair)


def log(engine: LocalEngine, *, raw: bool = False) -> ReplyLog:
    request = Request(
        messages=messages("Otters?"),
        lanes=(Lane(reply="r", name="amplified", alpha=1.0),),
        sampling=FREE,
        raw=raw,
    )
    records = [e for e in engine.generate(request) if isinstance(e, Reply | Step | Finish)]
    return Conversation([engine.opened.session, *records]).replies["r"]


def test_replies_end_there_but_no_raw_one(engine: LocalEngine) -> None:
    found = log(engine)
    assert found.finish
    assert found.finish.stop == "e"
    assert "e" not in found.text
    raw = log(engine, raw=True)
    assert raw.finish
    assert (raw.finish.reason, raw.finish.stop) == ("length", None)
    assert "e" in raw.text


def test_so_do_those_that_are_sampled_side_by_side(engine: LocalEngine) -> None:
    prompts = tuple(SamplePrompt(messages=messages("Otters?"), raw=raw) for raw in (False, True))
    request = ask(draws(2, of=2, grid=(1.0,)), prompts, sampling=FREE, grid=())
    found = sampled(list(engine.sample(request)))
    assert [found[name].finish for name in ("r0", "r1")] == ["stop", "length"]
    assert "e" not in found["r0"].text
    # as of a sweep that was begun without the text
    before = replace(request, turn_ends=TurnEnds(frozenset({END})))
    assert sampled(list(engine.sample(before)))["r0"].finish == "length"


def test_a_replay_ends_where_its_session_did(engine: LocalEngine, tiny_pair: MakeProfile) -> None:
    found = log(engine)
    assert all(result.identical for result in replay(engine, [found]))
    older = LocalEngine(
        tiny_pair(), replace(engine.pair, end_of_turn=frozenset({END}), next_turn=())
    )
    without = log(older)
    assert without.finish
    assert without.finish.reason == "length"
    assert not any(result.diverged for result in replay(engine, [without]))
