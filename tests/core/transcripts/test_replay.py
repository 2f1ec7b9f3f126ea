"""Replay: what was decoded can be decoded again, and what was changed is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Lane,
    Loading,
    Prefill,
    Request,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.records import (
    Change,
    Finish,
    Message,
    PromptIds,
    Record,
    Reply,
    Sampling,
    Session,
    SideInfo,
    Step,
)
from logit_amp_chat.core.transcripts.jsonl import from_line, read_records, to_line
from logit_amp_chat.core.transcripts.replay import (
    deviation,
    pinned_profile,
    reasons,
    replay,
    sittings,
)
from logit_amp_chat.core.transcripts.writer import Transcript
from logit_amp_chat.tui.commands import main as cli
from logit_amp_chat.tui.commands.output import ReaderGoneError
from tests.benchmarks.soak import User
from tests.core import samples

# With this seed no lane of `chat` ends before it is meddled with.
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=16, seed=1)
COLD = FREE.model_copy(update={"temperature": 0.0, "max_new_tokens": 12})
ALPHAS = {"amplified": 1.0, "before": -1.0, "after": 0.0}
Meddle = Callable[[LocalEngine, Event], None]


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> LocalEngine:
    return LocalEngine.open(tiny_pair())


class Scribe:
    """Asks an engine as the app does and keeps the records."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.records: list[Record] = [engine.opened.session]
        self._said: list[Message] = []
        self._requests = 0
        engine.apply(Forget())

    def ask(
        self,
        text: str,
        *lanes: str,
        meddle: Meddle = lambda engine, event: None,
        sampling: Sampling = FREE,
        forced: tuple[int, ...] = (),
        top: int = 3,
    ) -> None:
        parent = self._said[-1].id if self._said else None
        message = Message(id=f"m-{len(self._said)}", parent=parent, role="user", text=text)
        self._said.append(message)
        self.records.append(message)
        self._requests += 1
        request = Request(
            messages=tuple(self._said),
            lanes=tuple(
                Lane(reply=f"r-{self._requests}-{n}", name=name, alpha=ALPHAS[name])
                for n, name in enumerate(lanes)
            ),
            sampling=sampling,
            forced=forced,
            top=top,
        )
        for event in self.engine.generate(request):
            if isinstance(event, Reply | Step | Change | Finish):
                self.records.append(event)
            meddle(self.engine, event)
        answer = "".join(s.text for s in self.steps(f"r-{self._requests}-0"))
        self._said.append(
            Message(id=f"a-{len(self._said)}", parent=message.id, role="assistant", text=answer)
        )

    def steps(self, reply: str) -> list[Step]:
        return [r for r in self.records if isinstance(r, Step) and r.reply == reply]


def at(lane: str, index: int, command: SetAlpha | SetSampling | Stop) -> Meddle:
    def meddle(engine: LocalEngine, event: Event) -> None:
        if isinstance(event, Step) and (event.reply, event.index) == (lane, index):
            engine.apply(command)

    return meddle


@pytest.fixture(scope="module")
def chat(engine: LocalEngine) -> list[Record]:
    """Lanes, α in mid-reply, sampling in mid-reply, stops, a forced prefix; four turns."""
    scribe = Scribe(engine)

    def both(engine: LocalEngine, event: Event) -> None:
        at("r-1-0", 3, SetAlpha("r-1-0", 2.5))(engine, event)
        at("r-1-0", 9, SetAlpha("r-1-0", -0.5))(engine, event)

    scribe.ask("Tell me about otters", "amplified", meddle=both)
    scribe.ask(
        "and crabs?", "amplified", "before", "after", meddle=at("r-2-1", 4, Stop("r-2-1")), top=5
    )
    scribe.ask(
        "why?", "amplified", "after", meddle=at("r-3-0", 2, SetSampling(COLD)), forced=(40, 41, 42)
    )
    scribe.ask("go on", "before", meddle=at("r-4-0", 5, Stop()), top=0)
    return scribe.records


def replayed(engine: LocalEngine, records: Sequence[Record]) -> dict[str, str]:
    """What is said of each reply: identical, parted at a token, other numbers, or a problem."""
    outcome = {}
    for sitting in sittings(records):
        engine.apply(Forget())
        for request in sitting.requests:
            for verdict in replay(engine, request):
                first, parted = verdict.first, verdict.parted
                outcome[verdict.log.id] = (
                    verdict.problem
                    or (parted and f"parted at {parted.index}")
                    or (first and f"numbers at {first.index}")
                    or f"identical {verdict.same}"
                )
    return outcome


def changed(
    records: Sequence[Record], which: Callable[[Record], bool], **to: object
) -> list[Record]:
    """The records with the first one of a kind changed."""
    (index, *_) = (n for n, record in enumerate(records) if which(record))
    tampered = list(records)
    tampered[index] = dataclasses.replace(tampered[index], **to)  # type: ignore[arg-type]
    return tampered


def is_step(reply: str, index: int) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Step) and (r.reply, r.index) == (reply, index)


def is_finish(reply: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Finish) and r.reply == reply


# --- what is the same -----------------------------------------------------------


def test_every_reply_of_a_real_chat_is_identical(engine: LocalEngine, chat: list[Record]) -> None:
    """Also after a trip through the file, and from caches that other chats have filled."""
    list(engine.generate(samples_request()))
    written = [to_line(record) for record in chat]
    outcome = replayed(engine, [from_line(line) for line in written])
    lengths = {
        log.id: len(log.steps) for s in sittings(chat) for request in s.requests for log in request
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


def test_a_reply_that_was_cut_off_is_compared_as_far_as_it_goes(
    engine: LocalEngine, chat: list[Record]
) -> None:
    (cut, *_) = (n for n, record in enumerate(chat) if is_step("r-2-2", 6)(record))
    outcome = replayed(engine, chat[:cut])
    assert outcome["r-2-0"] == "identical 7"
    assert outcome["r-2-2"] == "identical 6"


def test_lanes_are_the_replies_that_stand_together(chat: list[Record]) -> None:
    (sitting,) = sittings(chat)
    assert [[log.id for log in request] for request in sitting.requests] == [
        ["r-1-0"],
        ["r-2-0", "r-2-1", "r-2-2"],
        ["r-3-0", "r-3-1"],
        ["r-4-0"],
    ]


def test_a_session_begins_a_sitting(chat: list[Record]) -> None:
    session = dataclasses.replace(samples.session(), id="s-2")
    both = sittings([*chat, session, samples.message("m-9"), samples.reply("r-9", "m-9")])
    assert [(s.session and s.session.id, len(s.requests)) for s in both][1:] == [("s-2", 1)]


def test_replies_of_two_prompts_are_never_one_request() -> None:
    other = dataclasses.replace(samples.reply("r-2"), prompt=PromptIds((1,), (1,)))
    (sitting,) = sittings([samples.reply(), other])
    assert len(sitting.requests) == 2


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
        ((is_step("r-1-0", 4), {"token": 7}), "r-1-0", "parted at 4"),
        ((is_step("r-1-0", 4), {"alpha": 64.0}), "r-1-0", "parted at 4"),
        ((is_step("r-1-0", 4), {"kl": 0.5}), "r-1-0", "numbers at 4"),
        ((is_step("r-1-0", 4), {"text": "not I"}), "r-1-0", "numbers at 4"),
        ((is_step("r-1-0", 4), {"top": ()}), "r-1-0", "numbers at 4"),
        ((is_finish("r-1-0"), {"reason": "stop"}), "r-1-0", "parted at 16"),
        ((is_finish("r-1-0"), {"tokens": 3}), "r-1-0", "parted at 16"),
        ((is_finish("r-4-0"), {"reason": "length"}), "r-4-0", "parted at 6"),
        ((lambda r: isinstance(r, Reply), {"seed": 9}), "r-1-0", "parted at 0"),
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
    assert outcome["r-2-0"] == "parted at 2"
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


# --- the command ----------------------------------------------------------------

Capture = pytest.CaptureFixture[str]
Write = Callable[[Sequence[Record]], Path]


@pytest.fixture
def write(tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a transcript; the command opens the engine that is open already."""

    def open_engine(profile: Profile, report: Callable[[Loading], None]) -> LocalEngine:
        assert profile.after.model == engine.pair.infos[1].model
        return engine

    monkeypatch.setattr(cli, "_open_engine", open_engine)

    def write_file(records: Sequence[Record]) -> Path:
        path = tmp_path / "chat.jsonl"
        path.write_text("".join(to_line(record) + "\n" for record in records))
        assert read_records(path) == list(records)
        return path

    return write_file


def test_verify_ends_with_0_where_all_is_identical(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    assert cli.run(["verify", str(write(chat))]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "r-1-0 · amplified · α +1 → +2.5 → −0.5: identical, 16 tokens"
    assert out[-1] == "7 of 7 replies are identical."


def test_verify_ends_with_8_and_shows_both_records(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    tampered = changed(chat, is_step("r-1-0", 4), token=7)
    assert cli.run(["verify", str(write(tampered))]) == 8
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("another token at 4 of 16 tokens")
    assert out[1].startswith("    recorded  ")
    assert "(7) at α +2.5" in out[1]
    assert out[2].startswith("    here      ")
    assert out[3] == "    differs in token"
    assert "the file or the weights were changed" in out[4]


def test_verify_names_the_likely_reason(write: Write, chat: list[Record], capsys: Capture) -> None:
    elsewhere = changed(chat, lambda r: isinstance(r, Session), device="cuda:0")
    tampered = changed(elsewhere, is_step("r-1-0", 4), kl=0.25)
    assert cli.run(["verify", str(write(tampered))]) == 8
    out = capsys.readouterr().out
    assert "with numbers that differ from token 4 on" in out
    assert "Likely because of device: cuda:0 → cpu (" in out


def test_verify_says_when_lines_cannot_be_read(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    path = write(chat)
    path.write_text(path.read_text() + "noise\n")
    assert cli.run(["verify", str(path)]) == 8
    assert "1 line of the file cannot be read" in capsys.readouterr().err


def test_verify_says_which_reply_has_no_end(
    write: Write, chat: list[Record], capsys: Capture
) -> None:
    """Killed between two records: all that is there is verified."""
    assert is_finish("r-4-0")(chat[-1])
    assert cli.run(["verify", str(write(chat[:-1]))]) == 0
    out, err = capsys.readouterr()
    assert "r-4-0 · before · α −1: identical, cut off after 6 tokens" in out
    assert out.count("cut off") == 2
    assert out.endswith("\n7 of 7 replies are identical; 1 cut off.\n")
    assert "cannot be read" not in err


@pytest.mark.parametrize("resumed", [False, True], ids=["torn", "torn, and gone on with"])
def test_a_torn_line_is_said_and_is_no_success(
    write: Write, chat: list[Record], resumed: bool, capsys: Capture
) -> None:
    """Killed in mid-record: the numbers of that token are lost, before and after a resume."""
    path = write(chat[:-1])
    path.write_bytes(path.read_bytes()[:-100])
    if resumed:
        writer, _ = Transcript.resume(path)
        writer.append(samples.message("m-9"))
        writer.close()
    assert cli.run(["verify", str(path)]) == 8
    out, err = capsys.readouterr()
    assert "r-4-0 · before · α −1: identical, cut off after 5 tokens" in out
    assert out.endswith("\n7 of 7 replies are identical; 1 cut off.\n")
    assert "1 line of the file cannot be read: what it held is not verified.\n" in err


def test_verify_is_no_success_when_its_reader_leaves(
    write: Write, chat: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(text: str) -> None:
        raise ReaderGoneError

    monkeypatch.setattr("logit_amp_chat.tui.commands.verify.put", leave)
    assert cli.run(["verify", str(write(chat))]) == 8


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([samples.session(), samples.message()], "holds no reply"),
        ([samples.message(), samples.reply()], "does not say with which pair"),
        (samples.conversation(), "does not say with which pair"),
    ],
)
def test_verify_refuses_what_it_cannot_replay(
    write: Write, records: list[Record], said: str, capsys: Capture
) -> None:
    assert cli.run(["verify", str(write(records))]) == 6
    assert said in capsys.readouterr().err
