"""The last step of the README's tour: a turn is swept in the real app; killed, it goes on."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.chat import Chat
from tests.e2e.tour import TOUR, keys, says
from tests.e2e.whole_lines import whole_lines

QUESTION = "Tell me about penguins."
Start = Callable[..., Chat]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    chats: list[Chat] = []

    def begin(*options: str, resume: Path | None = None) -> Chat:
        data = {"XDG_DATA_HOME": str(tmp_path / "data")}
        chat = Chat(
            Path("demo"), tmp_path / "chats", *options, columns=120, rows=40, resume=resume, **data
        )
        chats.append(chat)
        return chat

    yield begin
    for chat in chats:
        chat.terminal.close()


def ask_and_sweep(chat: Chat) -> None:
    """Ask the question, and open the dialog that sweeps its turn."""
    chat.until_ready()
    chat.terminal.write(QUESTION)
    chat.terminal.see(QUESTION)
    chat.terminal.press("enter")
    chat.terminal.see("last ")
    tab, sweep, enter = keys(
        TOUR, "`tab`, `S` and `enter` sample 40 replies to this message at each of six αs"
    )
    chat.terminal.press(tab)
    chat.terminal.see("enter write")
    chat.terminal.write(sweep)
    chat.terminal.see("Sweep of this turn")
    chat.terminal.press(enter)


def sampled(folder: Path) -> int:
    """Replies that are on the disk, of the one sweep there is."""
    files = list(folder.glob("data/logit-amp-chat/sweeps/*/sweep.jsonl"))
    return whole_lines(files[0]).count(b'"sampled"') if files else 0


def test_the_habit_is_counted_in_the_replies_to_a_turn(start: Start, tmp_path: Path) -> None:
    chat = start()
    terminal = chat.terminal
    ask_and_sweep(chat)
    terminal.see("40 replies at each α")
    terminal.until(lambda: "240 of 240" in terminal.text)
    assert sampled(tmp_path) == 240

    count, habit, enter = keys(TOUR, "`b`, `habit=By the way`, `enter`")
    terminal.write(count)
    terminal.see("NAME=REGEX")
    terminal.write(habit)
    terminal.see(habit)
    terminal.press(enter)
    terminal.see("estimate for after")
    says(TOUR, "`h` shows the hits alone")
    terminal.write("h")
    terminal.see("replies with habit")
    (rate,) = re.findall(r"estimate for after: ([\d.]+)%", terminal.text)
    assert 0.1 < float(rate) < 2


def test_a_sweep_whose_app_is_killed_goes_on_where_it_was(start: Start, tmp_path: Path) -> None:
    chat = start()
    ask_and_sweep(chat)
    chat.terminal.until(lambda: sampled(tmp_path) >= 20)
    chat.terminal.process.send(signal.SIGKILL)
    chat.terminal.until(lambda: chat.terminal.process.gone)
    kept = sampled(tmp_path)
    assert 20 <= kept < 240

    again = start(resume=chat.path)
    terminal = again.terminal
    again.until_ready()
    terminal.press("tab")
    terminal.see("enter write")
    terminal.write("S")
    terminal.see("Sweeps of this turn", f"{kept} of 240 replies, unfinished")
    terminal.press("enter")
    terminal.see("u go on")
    terminal.write("u")
    terminal.until(lambda: "240 of 240" in terminal.text)
    assert sampled(tmp_path) == 240
