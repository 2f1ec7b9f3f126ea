"""A lane has one title everywhere: B before, A after, or its α."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tui.chat_driver import Chat, demo_profile, open_chat, text_of

SIZES = ((80, 24), (120, 40))
TITLES = {-1.0: "B before", 0.0: "A after", -0.5: "α −0.5", 0.5: "α +0.5", 1.0: "α +1"}
COLOURS = {-1.0: "before", 0.0: "after", -0.5: "before", 0.5: "amplified", 1.0: "amplified"}


def screen(chat: Chat) -> str:
    """Everything that has an α on it: transcript, lane heads, inspector, α bar."""
    view = chat.screen.view
    heads = [lane.head for lane in view.lanes.lanes.values() if lane.display]
    return "\n".join(map(text_of, (view.log_view, view.inspector, view.alpha_bar, *heads)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", TITLES)
async def test_in_the_transcript_and_the_inspector(
    tmp_path: Path, alpha: float, size: tuple[int, int]
) -> None:
    async with open_chat(tmp_path, size=size, profile=demo_profile(alpha=alpha)) as chat:
        await chat.press("f5")
        await chat.say("Hi")
        await chat.finish()
        view = chat.screen.view
        assert f" {TITLES[alpha]}  seed 0" in text_of(view.log_view)
        assert f"  {TITLES[alpha]}" in text_of(view.inspector).splitlines()[0]
        block = view.current_block
        assert block is not None
        assert block.colour == COLOURS[alpha]


@pytest.mark.parametrize("size", [*SIZES, (200, 60)])
async def test_in_the_heads_of_lanes(tmp_path: Path, size: tuple[int, int]) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        await chat.choose_alphas(", ".join(map(str, sorted(TITLES))))
        await chat.say("Hi")
        await chat.finish()
        for lane in chat.screen.view.lanes.lanes.values():
            if lane.display:
                head = re.sub(r"^ *(‹\d+)? *", "", text_of(lane.head).splitlines()[0])
                assert lane.block is not None
                alpha = lane.block.log.reply.alpha
                assert head.startswith(TITLES[alpha])
                assert "amplified" not in head
                assert lane.head.has_class(f"head-{COLOURS[alpha]}")


async def test_a_head_follows_the_alpha_in_force(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 40)) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("escape")
        await chat.read()
        await chat.press("b")
        head = chat.screen.view.lanes.lanes["amplified"].head
        assert text_of(head).startswith(" α +1")
        await chat.press("r")
        await chat.step(1)
        assert text_of(head).startswith(" B before")
        assert head.has_class("head-before")
        assert not head.has_class("head-amplified")


@pytest.mark.parametrize("size", SIZES)
async def test_the_profiles_labels_only_describe_the_pair(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """A reply of another pair does not change its name with the pair that is loaded."""
    profile = demo_profile(labels={"before": "based", "after": "tuned"})
    async with open_chat(tmp_path, size=size, profile=profile) as chat:
        assert "based → tuned" in text_of(chat.screen.view.status)
        await chat.press("f5")
        await chat.say("Hi")
        await chat.finish()
        assert "based" not in screen(chat) + (await compared(chat))
        assert "tuned" not in screen(chat)


async def compared(chat: Chat) -> str:
    """The same in a comparison."""
    await chat.press("f4")
    await chat.finish()
    return screen(chat)
