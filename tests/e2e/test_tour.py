"""The tour of the README, walked key by key while replies take seconds.

The keys are taken from the sentences that are quoted here, and the sentences have to stand
in the README: neither can change without the other.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.e2e.chat import squeezed
from tests.e2e.tour import HABIT, QUESTION, SLOW, TOUR, Tour, keys, says


def test_five_minutes_are_as_the_readme_says(tmp_path: Path) -> None:
    tour = Tour(tmp_path)
    try:
        asks(tour)
        regenerates(tour)
        meets_before(tour)
        finds_the_habit(tour)
        compares(tour)
        inspects_the_first_token(tour)
        moves_alpha_while_it_streams(tour)
        branches(tour)
        exports(tour)
        starts_anew_and_comes_back(tour)
        path = quits(tour)
    finally:
        tour.terminal.close()
    again = Tour(tmp_path, resume=path)
    try:
        goes_on_where_it_was(again)
    finally:
        again.terminal.close()


def asks(tour: Tour) -> None:
    says(TOUR, "The dot on the α bar is at 0: this is `after`, and it answers nicely.")
    bar = next(i for i, line in enumerate(tour.terminal.lines) if "●" in line)
    above, below = tour.terminal.lines[bar : bar + 2]
    assert abs(above.index("●") - (below.index("after") + 2)) <= 2
    tour.pace(SLOW)
    tour.say_and_stream(QUESTION)
    sizes: set[int] = set()

    def grows() -> bool:
        sizes.add(len(tour.reply_on_screen))
        return len(sizes) > 3

    tour.terminal.until(grows)
    seen = tour.reply_on_screen
    assert squeezed(tour.last_reply.text).startswith(seen), "shown before it was saved"
    log = tour.until_over(1)
    tour.terminal.see("A after  seed 0")
    tour.until_shown(log)
    assert HABIT not in log.text


def regenerates(tour: Tour) -> None:
    tab, again = keys(
        TOUR,
        "Press `tab` to move to the transcript, then `r` a few times to regenerate,"
        " each time with a new seed.",
    )
    tour.terminal.press(tab)
    tour.terminal.see("enter write")
    for place in (2, 3):
        tour.terminal.press(again)
        log = tour.until_over(place)
        tour.terminal.see(f"A after  seed {place - 1}  ‹ {place}/{place} ›")
        tour.until_shown(log)


def meets_before(tour: Tour) -> None:
    says(TOUR, "that is `before`. It answers plainly.")
    tour.terminal.press(*keys(TOUR, "Press `b` (α = −1) and `r`"))
    log = tour.until_over(4)
    tour.terminal.see("B before  seed 3")
    tour.until_shown(log)
    assert {step.alpha for step in log.steps} == {-1.0}
    assert HABIT not in log.text


def finds_the_habit(tour: Tour) -> None:
    says(TOUR, "There it is, in the first sentence.")
    tour.terminal.press(*keys(TOUR, "Press `1` and `]` for α = 2, then `r`."))
    log = tour.until_over(5)
    tour.terminal.see("α +2  seed 4")
    tour.until_shown(log)
    assert log.text.startswith(HABIT)


def compares(tour: Tour) -> None:
    (compare, others) = keys(
        TOUR, "Press `c` to see the same turn three ways; `w` adds any other α."
    )
    tour.terminal.press(compare)
    tour.until_lanes_fill(5)
    tour.terminal.see("B before", "A after", "α +2")
    tour.until_over(7)
    tour.until_lanes_are_whole()
    says(TOUR, "Lanes share their sampling noise, so the first divergence (the underlined token)")
    assert {log.reply.seed for log in tour.newest_in_lanes()} == {4}
    line = next(i for i, line in enumerate(tour.terminal.lines) if "By the way" in line)
    cell = tour.terminal.screen.buffer[line][tour.terminal.lines[line].index("By the way")]
    assert cell.underscore
    tour.terminal.press(others)
    tour.terminal.see("αs to compare")
    tour.terminal.write(", 1")
    tour.terminal.press("enter")
    tour.until_over(8)
    tour.terminal.see("α +1 ")
    tour.terminal.press(others)
    tour.terminal.see("αs to compare")
    tour.terminal.press("ctrl+u")
    tour.terminal.write("-1, 0")
    tour.terminal.press("enter")
    tour.until_lanes_are_whole()


def inspects_the_first_token(tour: Tour) -> None:
    tab, home, inspect = keys(
        TOUR,
        "In the amplified lane (`tab` changes lanes) press `home` for its first token and `i` to"
        " inspect it",
    )
    for place in (0, 1, 2):
        tour.terminal.press(tab)
        tour.until_at_lane(place)
    tour.terminal.press(home, inspect)
    log = tour.newest_in_lanes()[2]
    first = log.steps[0]
    assert first.logp.before < -10, "practically never"
    assert -8 < first.logp.after < -4.6, "less than one of a hundred"
    delta = first.logp.after - first.logp.before
    tour.terminal.see(f"token 1 of {len(log.steps)}", f"▸“{first.text}”", f"Δ A−B  +{delta:.2f}")
    closes, compare, tab = keys(
        TOUR, "`i` closes the inspector, `c` the comparison, and `tab` goes to the message."
    )
    tour.terminal.press(closes)
    tour.until_gone("Δ A−B")
    tour.terminal.press(compare)
    tour.until_gone("B before")
    tour.terminal.press(tab)
    tour.terminal.see("enter send")


def moves_alpha_while_it_streams(tour: Tour) -> None:
    less, more = keys(
        TOUR,
        "Move α with `F2` and `F3`, also while a reply streams: a mark in the text shows where each"
        " α took effect.",
    )
    tour.pace(SLOW)
    tour.say_and_stream("Tell me about otters.")
    tour.terminal.press(less)
    tour.terminal.see("‹α +1.9›")
    tour.terminal.press(more)
    tour.terminal.see("‹α +2›")
    assert tour.streaming


def branches(tour: Tour) -> None:
    otters = tour.until_over(9)
    source = tour.replies[4]
    tab, home, enter, down, branch = keys(
        TOUR,
        "Press `tab`, `home` and `enter` for the candidates of its first token, then `↓` to choose"
        " another and `enter` to branch there.",
    )
    tour.terminal.press(tab, home)
    tour.terminal.see("enter branch")
    tour.terminal.press(enter)
    tour.terminal.see("enter go on here")
    tour.terminal.press(down, branch)
    log = tour.until_over(10)
    tour.terminal.see("‹ 6/6 ›  1 given")
    tour.until_shown(log)
    assert log.steps[0].token != source.steps[0].token
    older, newer = keys(TOUR, "`<` goes back to the reply you came from, `>` to the branch.")
    tour.terminal.press(older)
    tour.terminal.see("‹ 5/6 ›", HABIT, "Tell me about otters.")
    tour.until_shown(otters)
    tour.terminal.press(newer)
    tour.terminal.see("‹ 6/6 ›")
    tour.until_shown(log)


def exports(tour: Tour) -> None:
    (export,) = keys(TOUR, "`ctrl+t` exports this chat,")
    tour.terminal.press(export)
    tour.terminal.see("Write this chat to the file", "● .html a page")
    tour.terminal.press("enter")
    tour.terminal.see("Exported to")
    page = tour.folder.parent / f"{tour.path.stem}.html"
    says("Export and share", "It is one self-contained file")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def starts_anew_and_comes_back(tour: Tour) -> None:
    new, chats = keys(TOUR, "`ctrl+n` starts a new one, `F9` lists them all,")
    tour.terminal.press(new)
    tour.terminal.see("amplified = after + α · (after − before)", "Chats are saved in")
    tour.terminal.press(chats)
    tour.terminal.see("Saved chats", QUESTION)
    tour.terminal.press("enter")
    tour.until_gone("Saved chats")
    shows_the_branch(tour)


def shows_the_branch(tour: Tour) -> None:
    tour.terminal.see(QUESTION, "‹ 6/6 ›  1 given")
    tour.until_shown(tour.last_reply)


def quits(tour: Tour) -> Path:
    """The file in the line that resumes the chat."""
    (leave,) = keys(TOUR, "`ctrl+q` quits and prints the line that resumes this one.")
    tour.terminal.press(leave)
    assert tour.terminal.exit_code() == 0
    printed = tour.terminal.raw.decode().rpartition("\x1b")[2].replace("\r\n", "")
    line = shlex.split(printed.rpartition("To resume it: ")[2])
    assert line[-2:] == ["--resume", str(tour.path)]
    return Path(line[-1])


def goes_on_where_it_was(again: Tour) -> None:
    says("Chat and change α", "logit-amp-chat --resume FILE # go on with a saved conversation")
    shows_the_branch(again)
    replies = len(again.replies)
    again.say("Tell me about foxes.")
    log = again.until_over(replies + 1)
    again.until_shown(log)
