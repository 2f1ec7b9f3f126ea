"""The tasks of the README after its tour, done key by key while replies take seconds."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.e2e.chat import squeezed
from tests.e2e.tour import HABIT, QUESTION, SLOW, Tour, keys, says

CHAT, COMPARE = "Chat and change α", "Compare"
ALONE = [False, False, True]
INSPECT, OPENINGS = "Inspect and branch", "Openings"


def test_the_tasks_go_as_the_readme_says(tmp_path: Path) -> None:
    tour = Tour(tmp_path, "--alpha", "2")
    try:
        compares_while_it_streams(tour)
        compares_a_branch_while_it_streams(tour)
        edits_stops_and_goes_on(tour)
        goes_through_the_versions(tour)
        looks_at_the_openings(tour)
        lists_what_was_raised(tour)
    finally:
        tour.terminal.close()


def compares_while_it_streams(tour: Tour) -> None:
    says(COMPARE, "and the other lanes follow when it has ended")
    (compare,) = keys(COMPARE, "While a reply streams, `F4` shows it in its lane,")
    tour.pace(SLOW)
    tour.say_and_stream(QUESTION)
    tour.terminal.press(compare)
    tour.terminal.see("B before", "A after")
    tour.terminal.until(lambda: tour.streaming and [*map(bool, map(tour.lane, range(3)))] == ALONE)
    tour.until_lanes_fill(1)
    tab, ends = keys(
        COMPARE, "`tab` changes lanes, `x` ends the reply in your lane while the others go on."
    )
    for place in (2, 0):
        tour.terminal.press(tab)
        tour.until_at_lane(place)
    tour.terminal.press(ends)
    tour.terminal.until(lambda: "Stoppedbyyou" in tour.lane(0))
    tour.until_over(3)
    before, after, amplified = tour.newest_in_lanes()
    endings = [log.finish and log.finish.reason for log in (before, after, amplified)]
    assert endings == ["cancelled", "stop", "stop"]
    assert squeezed(before.text) in tour.lane(0)
    tour.until_in_lane(1, after)
    tour.until_in_lane(2, amplified)
    tour.terminal.press(compare)
    tour.until_gone("B before")
    tour.until_shown(amplified)


def compares_a_branch_while_it_streams(tour: Tour) -> None:
    """Its lanes begin with what was given, and fill while they decode."""
    says(INSPECT, "`enter` on a token lists its candidates", "`enter` on one of them branches")
    tour.terminal.press("home", "right")
    tour.terminal.see("enter branch", "last 2 to here: ")
    tour.terminal.press("enter")
    tour.terminal.see("enter go on here")
    tour.pace(SLOW)
    tour.terminal.press("down", "enter")
    tour.terminal.see("‹ 2/2 ›  2 given")
    tour.terminal.press("F4")
    tour.until_lanes_fill(4)
    tour.until_over(6)
    tour.until_lanes_are_whole()
    assert {log.reply.forced for log in tour.newest_in_lanes()} == {2}
    assert len({tuple(step.token for step in log.steps[:2]) for log in tour.newest_in_lanes()}) == 1
    says(CHAT, "(*2 given*)")
    assert tour.terminal.text.count("2 given") == 3
    tour.terminal.press("F4")
    tour.until_gone("B before")


def edits_stops_and_goes_on(tour: Tour) -> None:
    stop, go_on, _, edit = keys(
        CHAT,
        "`esc` stops a reply. In the transcript `u` continues one that was stopped or cut, `r`"
        " makes another with a new seed, and `e` edits your last message.",
    )
    tour.terminal.press(edit)
    tour.terminal.see("enter send", f"┃ {QUESTION}")
    tour.terminal.press("ctrl+u")
    tour.pace(SLOW)
    tour.say_and_stream("Tell me about foxes.")
    tour.terminal.until(lambda: tour.reply_on_screen)
    tour.terminal.press(stop)
    tour.terminal.see("Stopped by you", "‹ 2/2 ›")
    stopped = tour.until_over(7)
    tour.terminal.press("tab")
    tour.terminal.see("enter write")
    tour.terminal.press(go_on)
    log = tour.until_over(8)
    tour.terminal.see(f"‹ 2/2 ›  {len(stopped.steps)} given")
    tour.until_shown(log)
    assert [step.token for step in log.steps][: len(stopped.steps)] == [
        step.token for step in stopped.steps
    ]


def goes_through_the_versions(tour: Tour) -> None:
    older, newer = keys(
        CHAT, "`<` and `>` go through all replies to a message, and through its versions."
    )
    tour.terminal.press(older)
    tour.terminal.see("Stopped by you", "‹ 1/2 ›", "Tell me about foxes.")
    tour.terminal.press(older)
    tour.terminal.see("you  ‹ 1/2 ›", QUESTION, "2 given")
    tour.terminal.press(newer)
    tour.terminal.see("you  ‹ 2/2 ›", "Tell me about foxes.", "Stopped by you")
    tour.terminal.press(newer)
    tour.until_shown(tour.last_reply)


def looks_at_the_openings(tour: Tour) -> None:
    begins = HABIT.split()[0]
    (openings,) = keys(OPENINGS, "`o` on a turn shows what a reply could begin with,")
    tour.terminal.press(openings)
    tour.terminal.see("─ Openings ─")
    says(OPENINGS, "a rare habit comes first (in the demo, the one of *Five minutes*)")
    first = re.compile(rf"by Δ log p ↓.*\n.*│ ▸“{begins}” ")
    tour.terminal.until(lambda: first.search(tour.terminal.text))
    (sort,) = keys(
        OPENINGS, "`s` sorts by share of KL(after‖before), p_after · Δ, or by amplified."
    )
    for name in ("KL share", "α", "Δ log p"):
        tour.terminal.press(sort)
        tour.terminal.see(f"by {name} ↓")
    tour.terminal.until(lambda: first.search(tour.terminal.text))
    deeper, branch = keys(
        OPENINGS,
        "`→` opens what follows a token, with probabilities multiplied along the path, and `enter`"
        " on a token begins a reply with it.",
    )
    tour.terminal.press(deeper)
    tour.terminal.see(f"▾“{begins}”", f"▸“·{HABIT.split()[1]}”")
    less, more = keys(OPENINGS, "`F2` and `F3` move α.")
    tour.terminal.press(less)
    tour.terminal.see("─ α +1.9 ─")
    tour.terminal.press(more)
    tour.terminal.see("─ α +2 ─")
    tour.terminal.press(branch)
    log = tour.until_over(9)
    tour.terminal.see("‹ 3/3 ›  1 given")
    tour.until_shown(log)
    assert log.text.startswith(HABIT)


def lists_what_was_raised(tour: Tour) -> None:
    (raised,) = keys(INSPECT, "`d` lists the tokens that training raised most in this thread")
    tour.terminal.press(raised)
    tour.terminal.see("Raised most · this thread", "sampled tokens of 1 reply")
    lowered, everything, go = keys(
        INSPECT,
        "`s` those it lowered, `a` over all replies of the file, `enter` goes to the place with the"
        " largest Δ.",
    )
    tour.terminal.press(everything)
    tour.terminal.see("Raised most · all replies", "of 9 replies")
    tour.terminal.press(lowered)
    tour.terminal.see("Lowered most · all replies")
    tour.terminal.press(lowered)
    tour.terminal.see("Raised most · all replies")
    tour.terminal.press(go)
    tour.until_gone("Raised most")
    reply, place = raised_most(tour.replies)
    given = reply.reply.forced
    tour.terminal.see("enter branch", f"last {place + 1 - given} to here: ", f"{given} given")


def raised_most(replies: list[ReplyLog]) -> tuple[ReplyLog, int]:
    """Where the token with the largest sum of Δ has its largest Δ: the reply and the place."""
    delta: dict[int, dict[tuple[str, int], float]] = defaultdict(dict)
    for log in replies:
        for place, step in enumerate(log.sampled, log.reply.forced):
            delta[step.token][log.id, place] = step.logp.after - step.logp.before
    places = max(delta.values(), key=lambda places: sum(places.values()))
    best, place = max(places, key=places.__getitem__)
    return next(log for log in replies if log.id == best), place
