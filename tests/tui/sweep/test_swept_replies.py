"""A reply of a sweep is looked at token by token, and taken into the chat."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.protocol import Request
from logit_amp_chat.core.records import Message, Note, Reply, Step
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.jsonl import read_records
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.reading.screen import ReadingScreen
from logit_amp_chat.tui.sweep.screen import SweepScreen
from tests.tui.chat_driver import Chat, open_chat, requests, text_of
from tests.tui.fake_engine import END
from tests.tui.sweep.sweeper import begin, picked, sample, screen_of, shown, sweep_of


def reply_of(chat: Chat) -> SweepReply:
    return sweep_of(chat).replies[picked(chat)].reply


def last_request(chat: Chat) -> Request:
    return requests(chat.engine)[-1]


def assert_is_decoded_again(request: Request, reply: SweepReply, chat: Chat) -> None:
    """Its tokens are given, with the sampling, noise and α that it had."""
    (lane,) = request.lanes
    sampling = chat.screen.sweeps.sweeps.of(chat.screen.view.message_in_view or "")
    assert sampling is not None
    assert request.forced == reply.tokens
    assert request.prompt == sampling.folder.contents.ids["p1"]
    assert lane.alpha == reply.alpha
    assert request.sampling == sampling.settings.sampling.model_copy(
        update={"seed": reply.seed, "max_new_tokens": len(reply.tokens)}
    )
    assert [(one.role, one.text) for one in request.messages] == [("user", "Tell me about owls")]
    assert request.time == chat.session.conversation.began


async def test_enter_shows_its_tokens_with_the_inspector(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        await chat.press("down")
        reply, folder = reply_of(chat), sweep_of(chat).path
        before = chat.saved
        await chat.press("enter")
        await chat.finish()
        screen = chat.app.screen
        assert isinstance(screen, ReadingScreen)
        assert_is_decoded_again(last_request(chat), reply, chat)
        assert f"{reply.text}{END}" in text_of(screen.view.log_view)
        await chat.press("i", "right")
        assert "log p" in text_of(screen.view.inspector)

        assert chat.saved == before  # nothing of it is in the chat
        (path,) = (path for path in folder.glob("*.jsonl") if path.name != "sweep.jsonl")
        records = read_records(path)
        assert [one.text for one in records if isinstance(one, Message)] == ["Tell me about owls"]
        steps = [one.token for one in records if isinstance(one, Step)]
        assert tuple(steps) == reply.tokens

        await chat.press("escape", "escape")
        assert isinstance(chat.app.screen, SweepScreen)
        assert picked(chat) == reply.id


async def test_looking_interrupts_the_sweep_and_it_goes_on(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 3)
        await chat.press("enter")
        await chat.frame()
        assert isinstance(chat.app.screen, ReadingScreen)
        await chat.finish()
        await chat.frame()
        assert chat.session.state == "sampling"
        await chat.press("escape")
        await sample(chat)
        assert sweep_of(chat).is_complete


async def test_a_reply_waits_for_one_of_the_chat_to_be_looked_at(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        await chat.press("escape")
        await chat.say("And crabs?")
        await chat.press("tab", "up", "up", "up", "up", "up", "up")
        chat.screen.sweeps._show(chat.screen.sweeps.sweeps._sweeps[0])
        await shown(chat)
        await chat.press("enter")
        assert isinstance(chat.app.screen, ReadingScreen)
        assert "as soon as the reply has ended" in text_of(chat.app.screen.view.figures)
        await chat.finish()
        await chat.frame()
        assert last_request(chat).forced
        await chat.finish()
        assert "perplexity" in text_of(chat.app.screen.view.figures)


async def test_it_is_kept_as_a_reply_of_the_chat(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        await chat.press("end")
        reply = reply_of(chat)
        assert reply.alpha == 1.0
        await chat.press("k")
        await chat.finish()
        assert_is_decoded_again(last_request(chat), reply, chat)
        assert isinstance(chat.app.screen, SweepScreen)
        assert "is in the chat now" in notice(chat)
        await chat.press("up")
        assert not notice(chat)  # it was read
        conversation = chat.session.conversation
        log = conversation.last_reply()
        assert log is not None
        assert (log.text, log.reply.alpha, log.reply.lane) == (reply.text, 1.0, "amplified")
        assert log.id in (conversation.leaf,)
        assert len(conversation.siblings(log)) == 2
        assert "From a sweep: α +1" in log.notes[None]
        await chat.press("escape")
        assert reply.text.split()[1] in chat.log
        assert [one.about for one in chat.saved if isinstance(one, Note)] == [log.id]


def notice(chat: Chat) -> str:
    return "\n".join(one.sentence for one in screen_of(chat).view.notice.entries)


async def test_esc_closes_the_notice_first(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        await chat.press("k")
        await chat.finish()
        assert "is in the chat now" in notice(chat)
        await chat.press("escape")
        assert not notice(chat)
        await chat.press("escape")
        assert isinstance(chat.app.screen, ChatScreen)


async def test_several_are_kept_one_after_the_other_while_it_runs(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat, 5)
        await chat.press("k", "down", "k", "down", "k")
        for _ in range(3):
            await chat.finish()
            await chat.frame()
        conversation: Conversation = chat.session.conversation
        kept = [log for log in conversation.replies.values() if None in log.notes]
        assert len(kept) == 3
        assert all(log.finish and log.finish.reason == "stop" for log in kept)
        assert chat.session.state == "sampling"
        assert sum(isinstance(one, Reply) for one in chat.saved) == 4


async def test_it_is_gone_on_from_at_a_token(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        reply = reply_of(chat)
        await chat.press("enter")
        await chat.finish()
        await chat.press("home", "right", "right", "u")
        await chat.until(lambda: isinstance(chat.app.screen, ChatScreen))
        await chat.frame()
        request = last_request(chat)
        assert request.forced == reply.tokens[:2]
        assert [lane.alpha for lane in request.lanes] == [chat.session.alpha]
        assert request.parent == chat.session.conversation.thread()[0].id


async def test_nothing_is_kept_in_another_chat(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await begin(chat)
        await sample(chat)
        screen = screen_of(chat)
        chat.session.new_chat()
        screen.action_keep()
        await shown(chat)
        assert "Another chat is open" in notice(chat)
        assert not chat.session.conversation.replies
