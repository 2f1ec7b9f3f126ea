"""A chat as a user has it: the real command, a real pty, a real engine process."""

from __future__ import annotations

import random
import re
import shlex
import string
from collections.abc import Callable
from functools import partial

from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.e2e.chat import MARK, Chat, squeezed

Start = Callable[..., Chat]


def test_a_reply_can_be_steered_stopped_inspected_and_taken_up_again(start: Start) -> None:
    chat = start()
    loads_behind_the_first_frame(chat)
    streams(chat)
    takes_a_new_alpha_in_mid_reply(chat)
    stops(chat)
    inspects_any_token(chat)
    leaves_the_terminal_as_it_was(chat)

    again = start("--max-new-tokens", "40", resume=chat.path)
    shows_what_was_said(again, chat.last_reply)
    goes_on(again)
    compares(again)
    leaves_the_terminal_as_it_was(again)


def loads_behind_the_first_frame(chat: Chat) -> None:
    terminal = chat.terminal
    terminal.until(lambda: "Message" in terminal.text)
    terminal.see("Loading tiny llama", "F1 help", "tiny llama · before → after")
    assert "cpu (" not in terminal.text, "the first frame waits for the engine"
    terminal.write("typed while it loads")
    terminal.see("typed while it loads", "Loading")
    chat.until_ready()


def streams(chat: Chat) -> None:
    chat.terminal.press("enter")
    chat.terminal.until(lambda: chat.streaming and chat.reply_on_screen)
    first = chat.reply_on_screen
    chat.terminal.until(lambda: len(chat.reply_on_screen) > len(first))
    chat.terminal.until(lambda: chat.reply_on_screen.startswith(first))
    paints_no_more_than_what_changed(chat)
    (said,) = chat.conversation.messages.values()
    assert said.text == "typed while it loads"


def paints_no_more_than_what_changed(chat: Chat) -> None:
    screen, before = chat.terminal.screen, len(chat.reply_on_screen)
    screen.dirty.clear()
    chat.terminal.until(lambda: len(chat.reply_on_screen) > before + 40)
    blank = {row for row, line in enumerate(screen.display) if not line.strip()}
    assert len(blank) > 20
    assert not blank & screen.dirty


def takes_a_new_alpha_in_mid_reply(chat: Chat) -> None:
    terminal = chat.terminal
    for alpha in ("+1.1", "+1.2", "+1.3"):
        terminal.press("F3")
        terminal.see(f"‹α {alpha}›")
    assert chat.streaming
    terminal.press("F2")
    marks = ["‹α +1.1›", "‹α +1.2›", "‹α +1.3›", "‹α +1.2›"]
    terminal.until(lambda: MARK.findall(terminal.text) == marks)


def stops(chat: Chat) -> None:
    terminal = chat.terminal
    terminal.press("esc")
    terminal.see("Stopped by you after")
    terminal.until(lambda: not chat.streaming)
    log = chat.last_reply
    assert f"Stopped by you after {len(log.steps)} tokens; u goes on." in terminal.text
    assert log.finish is not None
    assert log.finish.reason == "cancelled"
    assert chat.reply_on_screen == squeezed(log.text)
    alphas = [step.alpha for step in log.steps]
    turns = [alpha for place, alpha in enumerate(alphas) if alphas[place - 1 : place] != [alpha]]
    assert turns == [1.0, 1.1, 1.2, 1.3, 1.2]


def inspects_any_token(chat: Chat) -> None:
    terminal, steps = chat.terminal, chat.last_reply.steps
    terminal.press("F5")
    shifts = {
        place: abs(step.logp.after - step.logp.before)
        for place, step in enumerate(steps, 1)
        if not step.special
    }
    terminal.see(f"token {max(shifts, key=lambda place: shifts[place])} of {len(steps)}")
    terminal.press("esc")  # from the composer to the transcript
    for place in range(len(steps), len(steps) - 4, -1):
        terminal.press("left")
        step = steps[place - 1]
        terminal.see(
            f"token {place} of {len(steps)}", f"▸“{quoted(step.text)}”", f"{step.rank.after:>6}"
        )
    terminal.press("right")
    terminal.see(f"token {len(steps) - 2} of {len(steps)}")
    terminal.press("F5")
    terminal.until(lambda: "by α ↓" not in terminal.text)


def test_what_the_terminal_sends_late_does_not_reach_the_shell(start: Start) -> None:
    """Over a slow line mouse and key reports are on their way when the chat ends."""
    chat = start()
    chat.until_ready()
    terminal = chat.terminal
    begun = len(terminal.raw)
    terminal.press("ctrl+q")
    terminal.until(lambda: b"\x1b[?1003l" in terminal.raw[begun:])
    for late in ("\x1b[<35;40;12M", "\x1b[108;;108u", "\x1b[O", "\x1b[?2026;2$y") * 3:
        terminal.write(late)  # for longer than Textual takes to stop reading
        terminal.watch(0.02)
    assert terminal.exit_code() == 0
    assert terminal.restored
    assert not re.search(rb"35;40|108|\^\[|2026;2", terminal.raw[begun:].replace(b"?2026l", b""))


def quoted(text: str) -> str:
    return text.replace(" ", "·")


def leaves_the_terminal_as_it_was(chat: Chat) -> None:
    terminal, engine = chat.terminal, chat.engine()
    assert not terminal.restored
    terminal.press("ctrl+q")
    assert terminal.exit_code() == 0
    assert terminal.restored
    assert engine.gone
    said = "".join(terminal.raw.decode().rpartition("\x1b")[2].split("\r\n"))
    resume = shlex.join(["--resume", str(chat.path)])
    assert f"This chat is saved in {chat.path}To resume it: " in said
    assert said.endswith(f" {resume}")


def shows_what_was_said(chat: Chat, before: ReplyLog) -> None:
    chat.terminal.see("typed while it loads", "Stopped by you after", "α +1  seed")
    assert chat.reply_on_screen == squeezed(before.text)
    chat.until_ready()


def goes_on(chat: Chat) -> None:
    chat.say("and then?")
    chat.terminal.see("and then?", "Cut at the limit of 40 tokens")
    thread = chat.conversation.thread()
    said = [item.text for item in thread if isinstance(item, Message)]
    assert said == ["typed while it loads", "and then?"]
    assert len(thread) == 4
    assert chat.reply_on_screen == squeezed(chat.last_reply.text)


def compares(chat: Chat) -> None:
    terminal = chat.terminal
    terminal.press("F4")
    heads = re.compile(r"B before .*A after .*α \+1\.2")
    terminal.until(lambda: heads.search(terminal.text))
    terminal.until(lambda: terminal.text.count("Cut at the limit") == 3)
    asked = chat.last_reply.reply.parent
    lanes = {log.reply.lane: log for log in chat.conversation.replies_to(asked)}
    assert {name: log.reply.alpha for name, log in lanes.items()} == {
        "amplified": 1.2,
        "before": -1.0,
        "after": 0.0,
    }
    assert len({log.reply.prompt for log in lanes.values()}) == 1
    for place, name in ((0, "before"), (2, "amplified")):
        assert squeezed(lanes[name].text)[:60] in squeezed(chat.column(place))


def has_said(chat: Chat, messages: int) -> bool:
    return len(chat.user_texts()) == messages


def test_a_burst_of_typing_arrives_whole(start: Start) -> None:
    """As a script or a slow line sends it: letters, new lines and enter at once."""
    chat = start("--max-new-tokens", "3")
    chat.until_ready()
    letters = random.Random(7)
    bursts = [
        "".join(letters.choices(string.ascii_letters + string.digits + " .,\n", k=299)) + "!"
        for _ in range(5)
    ]
    for said, burst in enumerate(bursts, 1):
        chat.terminal.write(f"{burst}\r")
        chat.terminal.until(partial(has_said, chat, said))
    assert chat.user_texts() == bursts


def test_what_is_typed_while_a_reply_streams_waits_for_its_turn(start: Start) -> None:
    chat = start()
    chat.until_ready()
    chat.say_and_stream("first")
    chat.say("second " * 40)
    chat.terminal.see("1 waiting")
    assert chat.user_texts() == ["first"]
    chat.terminal.press("esc")
    chat.terminal.see("Stopped by you", "second second")
    assert chat.user_texts() == ["first"]
