"""The heads of a comparison say what was recorded of the replies below them."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from logit_amp_chat.core.records import Finish, Step
from logit_amp_chat.tui.widgets.lane import Lane
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat
from tests.tui.fake_engine import TEXTS

NOTHING = ((), "")


def nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def expected(chat: Chat) -> dict[str, tuple[tuple[str, ...], str]]:
    """Summary and note of every head, from what the file says of the replies that are shown."""
    shown = {name: lane.block.id for name, lane in lanes(chat).items() if lane.block}
    steps: dict[str, list[Step]] = {}
    ended = {record.reply for record in chat.saved if isinstance(record, Finish)}
    for record in chat.saved:
        if isinstance(record, Step):
            steps.setdefault(record.reply, []).append(record)
    reference = "after" if "after" in lanes(chat) else next(iter(lanes(chat)))
    tokens = {name: [step.token for step in steps.get(id, [])] for name, id in shown.items()}
    forks = {
        name: fork(own, tokens[reference])
        for name, own in tokens.items()
        if name != reference and reference in tokens
    }
    found: dict[str, tuple[tuple[str, ...], str]] = dict.fromkeys(lanes(chat), NOTHING)
    for name, own in tokens.items():
        if not own:
            continue
        first = min((f for f in forks.values() if f is not None), default=None)
        at = first if name == reference else forks.get(name)
        mine = steps[shown[name]]
        same = name in forks and own == tokens[reference]
        same &= {shown[name], shown.get(reference)} <= ended
        found[name] = (
            (
                f"{len(own)} token" + "s" * (len(own) != 1),
                "no fork" if at is None else f"fork at {at + 1}",
                f"KL {nats(fmean(step.kl for step in mine))}",
                f"log pA {nats(fmean(step.logp.after for step in mine))}",
            ),
            f"same as {reference}" if same else "",
        )
    return found


def fork(own: list[int], other: list[int]) -> int | None:
    """The first place where two replies differ, as far as both go."""
    pairs = zip(own, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), None)


def lanes(chat: Chat) -> dict[str, Lane]:
    return chat.screen.view.lanes.lanes


def heads(chat: Chat) -> dict[str, tuple[tuple[str, ...], str]]:
    return {name: (lane.head.summary, lane.head.note) for name, lane in lanes(chat).items()}


def texts(chat: Chat, amplified: str, after: str = TEXTS["after"]) -> None:
    chat.engine.texts |= {"amplified": amplified, "after": after}


async def two_rounds(chat: Chat) -> None:
    """A question answered twice, by replies that differ in length, fork and agreement."""
    await chat.press("f4")
    texts(chat, TEXTS["after"])
    await chat.say("Hi")
    await chat.finish()
    texts(chat, "Otters are playful, and that is that.", "Otters are playful.")
    await chat.press("ctrl+r")
    await chat.finish()


async def test_while_replies_stream_and_when_they_have_ended(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        for _ in range(4):
            await chat.step(2)
            assert heads(chat) == expected(chat)
        await chat.finish()
        assert heads(chat) == expected(chat)
        assert heads(chat)["amplified"][0][1] == "fork at 3"


async def test_back_and_forth_between_siblings(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await two_rounds(chat)
        second = heads(chat)
        assert second == expected(chat)
        await chat.read()
        await chat.press("<")
        first = heads(chat)
        assert first == expected(chat)
        assert first != second
        assert first["amplified"][1] == "same as after"
        await chat.press(">")
        assert heads(chat) == second


async def test_a_reply_that_was_stopped_is_not_the_same_as_one_that_went_on(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        texts(chat, TEXTS["after"])
        await chat.say("Hi")
        await chat.step(3)
        await chat.press("escape")
        assert chat.engine.request is None
        await chat.press("f4")
        await chat.finish()
        assert heads(chat) == expected(chat)
        assert heads(chat)["amplified"][0][:2] == ("3 tokens", "no fork")
        assert heads(chat)["amplified"][1] == ""


async def test_with_other_alphas_another_lane_is_what_is_compared_with(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(200, 40)) as chat:
        await two_rounds(chat)
        chat.engine.texts["+2"] = "Otters are wonderful!"
        for alphas in ("2, -1", "-1", "2", "-1, 0, 2"):
            await chat.choose_alphas(alphas)
            assert heads(chat) == expected(chat), "while lanes are missing"
            if chat.engine.request is not None:
                await chat.finish()
            assert heads(chat) == expected(chat)
            assert heads(chat)["amplified"][0], "there is something to compare"


async def test_a_new_chat_begins_without_figures(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 24)) as chat:
        await two_rounds(chat)
        await chat.press("ctrl+n")
        assert set(heads(chat).values()) == {NOTHING}


async def test_a_resumed_chat_has_its_figures_at_once(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await two_rounds(chat)
        path = chat.session.saved.recorder.path
    assert path is not None
    engines = Engines()
    session = make_session(tmp_path, engines)
    session.resume(path)
    async with open_chat(tmp_path, size=(120, 24), session=session, engines=engines) as chat:
        await chat.press("f4")
        assert heads(chat) == expected(chat)
        assert heads(chat)["after"] != NOTHING
