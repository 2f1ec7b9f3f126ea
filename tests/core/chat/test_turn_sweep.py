"""The sweep of a turn: what is asked of the engine, kept, and counted; who goes first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.chat.swept_replies import Choice
from logit_amp_chat.core.chat.turn_sweep import TurnSweep, saved_sweeps
from logit_amp_chat.core.errors import TranscriptError, UsageError
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.protocol import Drain, Stop
from logit_amp_chat.core.samples import SampleRequest
from tests.tui.chat_driver import Engines, answer, make_session, requests, types

SETTINGS = checked(SweepSettings(alphas=(0.0, 1.0), samples=4))


class Turn:
    """A chat with one answered message, and the sweep of it."""

    def __init__(self, folder: Path) -> None:
        self.engines = Engines()
        self.session: ChatSession = make_session(folder, self.engines)
        self.session.system = "You are terse."
        self.session.live.load()
        self.engines.last.load()
        self.session.drain()
        answer(self.session, self.engines, "Tell me about owls.")
        message = self.session.conversation.last_user_message()
        assert message is not None
        self.message = message.id

    def begin(self) -> TurnSweep:
        sweep = TurnSweep.begin(self.session, self.message, SETTINGS)
        sweep.follow()
        return sweep

    def frame(self, sweep: TurnSweep) -> None:
        self.session.drain()
        sweep.follow()

    def sample(self, sweep: TurnSweep, replies: int = 100) -> None:
        self.engines.last.sample(replies)
        self.frame(sweep)

    @property
    def asked(self) -> list[SampleRequest]:
        return [one for one in self.engines.last.commands if isinstance(one, SampleRequest)]


@pytest.fixture
def turn(tmp_path: Path) -> Turn:
    return Turn(tmp_path / "chats")


def test_it_is_recorded_with_the_template_variables_of_the_chat(turn: Turn) -> None:
    turn.session.live.template = {"thinking": False}
    sweep = turn.begin()
    assert sweep.folder.contents.session.profile["template"] == {"thinking": False}
    turn.session.live.template = {"thinking": True}
    assert sweep.check_pair().profile["template"] == {"thinking": False}, "until it is over"


def test_a_turn_with_special_tokens_is_not_swept_as_text(turn: Turn) -> None:
    turn.session.submit("Say <|end|>", special=True)
    turn.engines.last.finish()
    turn.session.drain()
    message = turn.session.conversation.last_user_message()
    assert message is not None
    with pytest.raises(UsageError, match="means special tokens"):
        TurnSweep.begin(turn.session, message.id, SETTINGS)


def test_the_whole_conversation_up_to_the_message_is_the_prompt(turn: Turn) -> None:
    answer(turn.session, turn.engines, "And crabs?")
    message = turn.session.conversation.last_user_message()
    assert message is not None
    TurnSweep.begin(turn.session, message.id, SETTINGS).follow()
    (prompt,) = turn.asked[0].prompts
    reply = turn.engines.last.texts["amplified"]
    assert [(one.role, one.text) for one in prompt.messages] == [
        ("system", "You are terse."),
        ("user", "Tell me about owls."),
        ("assistant", reply),
        ("user", "And crabs?"),
    ]


def test_what_was_said_is_read_back_as_in_the_chat(turn: Turn) -> None:
    answer(turn.session, turn.engines, "And crabs?")
    message = turn.session.conversation.last_user_message()
    assert message is not None
    TurnSweep.begin(turn.session, message.id, SETTINGS).follow()
    (prompt,) = turn.asked[0].prompts
    assert prompt.messages == requests(turn.engines.last)[-1].messages
    assert prompt.messages[2].token_ids


def test_the_prompt_has_the_moment_of_the_chat(turn: Turn) -> None:
    turn.begin()
    assert turn.asked[0].time == turn.session.conversation.began


def test_it_samples_every_reply_and_is_then_over(turn: Turn) -> None:
    sweep = turn.begin()
    assert sweep.doing == "sampling"
    turn.sample(sweep)
    assert (sweep.doing, sweep.is_complete, sweep.problem) == ("", True, "")
    assert len(sweep.replies) == 8
    assert turn.session.state == "ready"


def test_nothing_of_it_is_in_the_chat(turn: Turn) -> None:
    assert turn.session.saved.recorder.path is not None
    before = types(turn.session)
    sweep = turn.begin()
    turn.sample(sweep)
    assert types(turn.session) == before


def test_a_reply_is_on_the_disk_before_it_is_shown(turn: Turn) -> None:
    sweep = turn.begin()
    turn.engines.last.sample(3)  # the app has not looked yet
    assert len(list(SweepFolder.read(sweep.path).replies())) == 3
    assert len(sweep.replies) == 0


def test_a_message_goes_first_and_what_was_begun_is_sampled_anew(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep, 2)
    turn.session.submit("And crabs?")
    assert isinstance(turn.engines.last.commands[-1], Stop)
    turn.frame(sweep)
    assert [one.messages[-1].text for one in requests(turn.engines.last)][-1] == "And crabs?"
    assert (turn.session.state, sweep.doing) == ("busy", "waiting")
    turn.engines.last.finish()
    turn.frame(sweep)
    assert sweep.doing == "sampling"
    assert [one.reply for one in turn.asked[1].draws] == [
        one.reply for one in turn.asked[0].draws[2:]
    ]
    turn.sample(sweep)
    assert sweep.is_complete


def test_it_waits_for_a_reply_that_runs(turn: Turn) -> None:
    turn.session.submit("And crabs?")
    sweep = turn.begin()
    assert (sweep.doing, turn.asked) == ("waiting", [])
    turn.engines.last.finish()
    turn.frame(sweep)
    assert sweep.doing == "sampling"


def test_a_change_of_sampling_does_not_reach_it(turn: Turn) -> None:
    turn.begin()
    count = len(turn.engines.last.commands)
    turn.session.set_sampling(turn.session.sampling.model_copy(update={"temperature": 0.5}))
    turn.session.set_alpha(3.0)
    assert turn.engines.last.commands[count:] == []


def test_a_stop_finishes_what_was_begun_and_a_second_gives_it_up(turn: Turn) -> None:
    sweep = turn.begin()
    sweep.stop()
    assert isinstance(turn.engines.last.commands[-1], Drain)
    assert sweep.doing == "stopping"
    turn.sample(sweep)
    assert (sweep.doing, len(sweep.replies)) == ("", 4)
    assert sweep.replies.result.no_estimate == ""  # all that was begun is there

    sweep.start()
    sweep.follow()
    sweep.stop()
    sweep.stop()
    turn.frame(sweep)
    assert (sweep.doing, len(sweep.replies)) == ("", 4)


def test_counts_are_provisional_while_it_samples(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep, 3)
    assert "provisional" in sweep.replies.result.no_estimate
    turn.sample(sweep)
    assert sweep.replies.result.no_estimate == ""


def test_an_engine_that_dies_costs_what_was_in_flight(turn: Turn) -> None:
    sweep = turn.begin()
    turn.engines.last.sample(3)
    turn.engines.last.fail("The engine process died.", fatal=True)
    turn.frame(sweep)
    assert sweep.problem == "The engine process died."
    assert (sweep.doing, len(sweep.replies)) == ("", 3)

    turn.session.live.load()
    turn.engines.last.load()
    turn.frame(sweep)
    assert sweep.doing == ""  # what killed one engine does not get the next by itself
    sweep.start()
    sweep.follow()
    turn.sample(sweep)
    assert (sweep.is_complete, len(sweep.replies)) == (True, 8)


def test_what_cannot_be_saved_is_not_sampled(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = turn.begin()
    turn.sample(sweep, 2)
    with monkeypatch.context() as patch:
        patch.setattr(SweepFolder, "add", _full)
        turn.sample(sweep, 1)
    assert isinstance(turn.engines.last.commands[-1], Drain)
    turn.sample(sweep)
    assert "No space left" in sweep.problem
    assert "--out" not in sweep.problem
    assert (sweep.doing, sweep.is_complete) == ("", False)
    sweep.start()
    sweep.follow()
    turn.sample(sweep)
    assert (sweep.is_complete, len(sweep.replies)) == (True, 8)


def _full(folder: SweepFolder, reply: SweepReply) -> None:
    raise TranscriptError("Cannot write sweep.jsonl: No space left on device.", "Use --out.")


def test_another_pair_is_refused(turn: Turn) -> None:
    sweep = turn.begin()
    turn.engines.last.sample(3)
    turn.session.live.load()
    turn.engines.last.vocabulary = "other words"
    turn.engines.last.load()
    turn.frame(sweep)
    sweep.start()
    sweep.follow()
    assert "another pair" in sweep.problem
    assert sweep.doing == ""


def test_it_is_found_again_by_its_prompt(turn: Turn, tmp_path: Path) -> None:
    sweep = turn.begin()
    turn.engines.last.sample(3)
    sweep.close()  # as after a kill

    later = Turn(tmp_path / "other chats")
    (found,) = saved_sweeps(later.session, later.message)
    again = TurnSweep(later.session, later.message, found)
    assert (found.path, len(again.replies), again.doing) == (sweep.path, 3, "")
    again.start()
    again.follow()
    later.sample(again)
    assert again.is_complete

    answer(later.session, later.engines, "Something else")
    message = later.session.conversation.last_user_message()
    assert message is not None
    assert saved_sweeps(later.session, message.id) == []


def test_alphas_and_samples_may_be_added(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep)
    more = replace(SETTINGS, alphas=(-1.0, 0.0, 1.0), samples=5)
    sweep.start(more)
    sweep.follow()
    assert len(turn.asked[-1].draws) == 3 * 5 - 8
    assert sweep.replies.unweighed == 8
    turn.sample(sweep)
    assert sweep.doing == "measuring"  # old replies, at the α that is new
    turn.session.submit("And crabs?")  # interrupts that too
    turn.frame(sweep)
    turn.engines.last.finish()
    turn.frame(sweep)
    turn.frame(sweep)
    turn.engines.last.rescore()
    turn.frame(sweep)
    assert (sweep.doing, sweep.replies.unweighed, len(sweep.replies)) == ("", 0, 15)
    assert sweep.replies.result.no_estimate == ""


def test_a_pair_that_was_loaded_meanwhile_is_not_asked(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep, 2)
    turn.session.submit("And crabs?")
    turn.frame(sweep)
    assert sweep.doing == "waiting"
    turn.session.live.load()
    turn.engines.last.vocabulary = "other words"
    turn.engines.last.load()
    turn.frame(sweep)
    assert (sweep.doing, turn.asked) == ("", [])
    assert "another pair" in sweep.problem


def test_without_models_there_is_no_sweep(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    session.submit("Hi")
    message = session.conversation.last_user_message()
    assert message is not None
    with pytest.raises(UsageError, match="not loaded"):
        TurnSweep.begin(session, message.id, SETTINGS)


# --- counting ---------------------------------------------------------------------------


def test_behaviours_may_change_at_any_time(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep, 4)
    sweep.replies.use([Pattern("habit", "lighthouse"), Pattern("hunt", "hunt")])
    turn.sample(sweep)
    texts = [sweep.replies[id].reply.text for id in sweep.folder.contents.there]
    habit, hunt = sweep.replies.result.behaviours
    assert sum(rate.hits for rate in habit.rates) == sum("lighthouse" in one for one in texts)
    assert sum(rate.hits for rate in hunt.rates) == sum("hunt" in one for one in texts)
    sweep.replies.use([])
    assert sweep.replies.result.behaviours == ()


def test_groups_have_hits_first_and_can_be_chosen(turn: Turn) -> None:
    sweep = turn.begin()
    turn.sample(sweep)
    sweep.replies.use([Pattern("habit", "lighthouse"), Pattern("owl", "Owls")])
    zero, one = sweep.replies.groups(Choice())
    assert (zero.alpha, one.alpha, zero.total) == (0.0, 1.0, 4)
    for group in sweep.replies.groups(Choice(behaviour=0)):
        has = ["lighthouse" in swept.reply.text for swept in group.replies]
        assert has == sorted(has, reverse=True)
        assert group.hits == sum(has)
    (only,) = sweep.replies.groups(Choice(alpha=1.0, behaviour=1, hits=True))
    assert all("Owls" in swept.reply.text for swept in only.replies)
    for swept in only.replies:
        assert [swept.reply.text[a:b] for a, b in swept.spans(1)] == ["Owls"]
