"""Replay: what was decoded can be decoded again, and what was changed is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import (
    Forget,
    Lane,
    Prefill,
    Request,
)
from logit_amp_chat.core.records import (
    CacheCheck,
    PromptIds,
    Record,
    Reply,
    Session,
    SideInfo,
    Step,
)
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line
from logit_amp_chat.core.transcripts.replay import (
    deviation,
    pinned_profile,
    reasons,
    replay,
    requests_by_session,
)
from tests.benchmarks.soak import User
from tests.core import samples
from tests.core.transcripts.replaying import FREE, changed, is_finish, is_step, recorded_chat


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


@pytest.fixture(scope="module")
def chat(engine: LocalEngine) -> list[Record]:
    return recorded_chat(engine)


def replayed(engine: LocalEngine, records: Sequence[Record]) -> dict[str, str]:
    """What is said of each reply: identical, diverged at a token, other numbers, or a problem."""
    outcome = {}
    for part in requests_by_session(records):
        engine.apply(Forget())
        for request in part.requests:
            for result in replay(engine, request):
                first, diverged = result.first, result.diverged
                outcome[result.log.id] = (
                    result.problem
                    or (diverged and f"diverged at {diverged.index}")
                    or (first and f"numbers at {first.index}")
                    or f"identical {result.same}"
                )
    return outcome


# --- what is the same -----------------------------------------------------------


def test_every_reply_of_a_real_chat_is_identical(engine: LocalEngine, chat: list[Record]) -> None:
    """Also after a trip through the file, and from caches that other chats have filled."""
    list(engine.generate(samples_request()))
    written = [to_line(record) for record in chat]
    outcome = replayed(engine, [from_line(line) for line in written])
    lengths = {
        log.id: len(log.steps)
        for s in requests_by_session(chat)
        for request in s.requests
        for log in request
    }
    assert lengths["r-2-1"] == 5
    assert lengths["r-4-0"] == 6
    assert outcome == {reply: f"identical {length}" for reply, length in lengths.items()}


def samples_request() -> Request:
    return Request(
        messages=(samples.message(text="Tell me about otters and more"),),
        lanes=(Lane(reply="x", name="after", alpha=0),),
        sampling=FREE,
    )


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_user_did_is_identical(engine: LocalEngine, seed: int) -> None:
    """Chats, branches, forced prefixes, stops and changes from a seed, in one file."""
    records: list[Record] = []
    user = User(engine, seed, records.append, leaves=False)
    while user.done["turns"] < 12:
        user.turn()
    outcome = replayed(engine, records)
    assert len(outcome) == user.done["lanes"]
    assert all(said.startswith("identical") for said in outcome.values()), outcome


def test_no_text_ends_a_reply_of_a_file_that_names_no_ends(
    tiny_pair: Callable[..., Profile], engine: LocalEngine, chat: list[Record]
) -> None:
    """Older versions recorded no ends, and no text ended a reply."""
    first, *others = chat
    assert isinstance(first, Session)
    pair = dataclasses.replace(engine.pair, next_turn=("a", "e", "o", " "))
    later = LocalEngine(tiny_pair(), pair)
    assert later.opened.session.next_turn
    older = dataclasses.replace(first, end_of_turn=(), next_turn=())
    outcome = replayed(later, [older, *others])
    assert all(said.startswith("identical") for said in outcome.values()), outcome


def test_a_reply_that_was_cut_off_is_compared_as_far_as_it_goes(
    engine: LocalEngine, chat: list[Record]
) -> None:
    (cut, *_) = (n for n, record in enumerate(chat) if is_step("r-2-2", 6)(record))
    outcome = replayed(engine, chat[:cut])
    assert outcome["r-2-0"] == "identical 7"
    assert outcome["r-2-2"] == "identical 6"


def test_lanes_are_the_replies_that_stand_together(chat: list[Record]) -> None:
    (part,) = requests_by_session(chat)
    assert [[log.id for log in request] for request in part.requests] == [
        ["r-1-0"],
        ["r-2-0", "r-2-1", "r-2-2"],
        ["r-3-0", "r-3-1"],
        ["r-4-0"],
    ]


def test_openings_do_not_disturb_it(engine: LocalEngine, chat: list[Record]) -> None:
    """Also between the lanes of one request."""
    with_openings = [one for record in chat for one in (record, samples.opening())]
    (part,) = requests_by_session(with_openings)
    assert [[log.id for log in request] for request in part.requests] == [
        [log.id for log in request] for request in requests_by_session(chat)[0].requests
    ]
    assert all(said.startswith("identical") for said in replayed(engine, with_openings).values())


def test_requests_are_grouped_by_session(chat: list[Record]) -> None:
    session = dataclasses.replace(samples.session(), id="s-2")
    both = requests_by_session(
        [*chat, session, samples.message("m-9"), samples.reply("r-9", "m-9")]
    )
    assert [(s.session and s.session.id, len(s.requests)) for s in both][1:] == [("s-2", 1)]


def test_replies_of_two_prompts_are_never_one_request() -> None:
    other = dataclasses.replace(samples.reply("r-2"), prompt=PromptIds((1,), (1,)))
    (part,) = requests_by_session([samples.reply(), other])
    assert len(part.requests) == 2


def test_forget_lets_the_next_request_begin_from_empty_caches(engine: LocalEngine) -> None:
    """Also when it comes while a reply runs, and once only."""

    def read(command: Forget | None = None) -> int:
        total = 0
        for event in engine.generate(samples_request()):
            if isinstance(event, Prefill):
                total = event.total
            elif isinstance(event, Step) and event.index == 0 and command:
                engine.apply(command)
        return total

    engine.apply(Forget())
    whole = read()
    assert read(Forget()) < whole
    assert read() == whole
    assert read() < whole


# --- what was changed -----------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reply", "said"),
    [
        ((is_step("r-1-0", 4), {"token": 7}), "r-1-0", "diverged at 4"),
        ((is_step("r-1-0", 4), {"alpha": 64.0}), "r-1-0", "diverged at 4"),
        ((is_step("r-1-0", 4), {"kl": 0.5}), "r-1-0", "numbers at 4"),
        ((is_step("r-1-0", 4), {"text": "not I"}), "r-1-0", "numbers at 4"),
        ((is_step("r-1-0", 4), {"top": ()}), "r-1-0", "numbers at 4"),
        ((is_finish("r-1-0"), {"reason": "stop"}), "r-1-0", "diverged at 16"),
        ((is_finish("r-1-0"), {"tokens": 3}), "r-1-0", "diverged at 16"),
        ((is_finish("r-4-0"), {"reason": "length"}), "r-4-0", "diverged at 6"),
        ((lambda r: isinstance(r, Reply), {"seed": 9}), "r-1-0", "diverged at 0"),
        (
            (lambda r: isinstance(r, Reply), {"prompt": PromptIds((5,), (5, 10_000))}),
            "r-1-0",
            "The prompt has token ids that this pair's sides do not share: ids go up to 511."
            " Use a pair whose two sides both know every token of it.",
        ),
        (
            (lambda r: isinstance(r, Reply), {"prompt": PromptIds((), ())}),
            "r-1-0",
            "The prompt is empty. Give at least one token.",
        ),
    ],
)
def test_what_was_tampered_with_is_found(
    engine: LocalEngine,
    chat: list[Record],
    change: tuple[Callable[[Record], bool], dict[str, object]],
    reply: str,
    said: str,
) -> None:
    which, to = change
    outcome = replayed(engine, changed(chat, which, **to))
    if "alpha" in to:  # at another α another token is likely, not certain
        assert outcome.pop(reply) in (said, "numbers at 4")
    else:
        assert outcome.pop(reply) == said


def test_a_line_that_was_taken_out_is_found(engine: LocalEngine, chat: list[Record]) -> None:
    without = [record for record in chat if not is_step("r-1-0", 4)(record)]
    assert not replayed(engine, without)["r-1-0"].startswith("identical")


def test_a_lane_that_differs_leaves_the_others_alone(
    engine: LocalEngine, chat: list[Record]
) -> None:
    outcome = replayed(engine, changed(chat, is_step("r-2-0", 2), token=7))
    assert outcome["r-2-0"] == "diverged at 2"
    assert outcome["r-2-1"] == "identical 5"
    assert outcome["r-2-2"].startswith("identical")


# --- why ------------------------------------------------------------------------


def test_reasons_name_what_is_not_as_it_was() -> None:
    then = samples.session()
    now = dataclasses.replace(
        then,
        device="cuda",
        after=SideInfo("org/base", "def", None, "float32", "none"),
        versions={"torch": "3", "peft": "1"},
    )
    assert reasons(then, then) == []
    assert reasons(then, now) == [
        "device: cpu → cuda",
        "after's revision: abc → def",
        "after's dtype: bfloat16 → float32",
        "after's quantization: nf4 → none",
        "peft: none → 1",
        "torch: 2 → 3",
    ]


def test_reasons_name_what_caches_are_used_for() -> None:
    checked = CacheCheck(use="turns", kl=0.0, largest=0.0, limit=1e-5)
    then = dataclasses.replace(samples.session(), caches={"after": checked})
    less = {"after": dataclasses.replace(checked, use="chunks")}
    assert reasons(then, dataclasses.replace(then, caches=less)) == [
        "what after's caches are used for: turns → chunks"
    ]
    assert reasons(then, dataclasses.replace(then, caches=None)) == [
        "caches that were checked then and not now"
    ]
    assert reasons(dataclasses.replace(then, caches=None), then) == []


def test_the_profile_is_pinned_and_runs_no_code(tiny_pair: Callable[..., Profile]) -> None:
    profile = tiny_pair(trust_remote_code=True).model_dump(mode="json")
    session = dataclasses.replace(samples.session(), profile=profile)
    pinned = pinned_profile(session)
    assert pinned is not None
    assert pinned.after.revision == "abc"
    assert pinned.trust_remote_code is False
    assert pinned_profile(samples.session()) is None


def test_deviation_is_the_largest_difference_of_any_number() -> None:
    a = samples.step(0, "x")
    assert deviation(a, a) == 0
    assert deviation(a, dataclasses.replace(a, entropy=2.0)) == 0.5
    assert deviation(a, dataclasses.replace(a, kl=1.0)) == float("inf")
    assert deviation(a, dataclasses.replace(a, kl=float("nan"))) == float("inf")
