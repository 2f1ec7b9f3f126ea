"""The α bar: always there, live, and marked in the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from logit_amp_chat.core.analysis.reply_stats import WindowMeans
from logit_amp_chat.core.protocol import SetAlpha
from logit_amp_chat.core.sampling import Sampling
from tests.tui.chat_driver import demo_profile, open_chat, text_of


@pytest.mark.parametrize(
    ("keys", "alpha"),
    [
        (["f3"], 1.1),
        (["f2"], 0.9),
        (["ctrl+up"], 2.0),
        (["ctrl+down"], 0.0),
        (["escape", "equals_sign"], 1.1),
        (["escape", "minus", "minus"], 0.8),
        (["escape", "right_square_bracket"], 2.0),
        (["escape", "left_square_bracket", "left_square_bracket"], -1.0),
        (["escape", "b"], -1.0),
        (["escape", "a"], 0.0),
        (["escape", "b", "1"], 1.0),
    ],
)
async def test_keys_move_alpha(tmp_path: Path, keys: list[str], alpha: float) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*keys)
        assert chat.session.alpha == pytest.approx(alpha)
        assert chat.screen.view.alpha_bar.alpha == pytest.approx(alpha)


async def test_ten_steps_of_a_tenth_are_exactly_one(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press(*["f2"] * 10)
        assert chat.session.alpha == 0


async def test_before_after_value_and_filters_are_always_in_view(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        bar = text_of(chat.screen.view.alpha_bar)
        rail, labels = bar.splitlines()
        assert labels.index("before") - 1 <= rail.index("B") <= labels.index("before") + 4
        assert labels.index("after") - 1 <= rail.index("A") <= labels.index("after") + 4
        assert "+1 " in rail
        assert "τ 0.01" in rail
        assert "T 0.7" in rail


SIZES = [(30, 10), (40, 15), (50, 20), (60, 24), (80, 24), (120, 40), (200, 60)]
ACTING = {
    "plausibility": (0.0, 0.01, r"τ ?0?\.01"),
    "temperature": (None, 0.75, r"T ?0?\.75"),
    "top_p": (1.0, 0.95, r"p ?0?\.95"),
    "top_k": (0, 40, r"k ?40"),
    "min_p": (0.0, 0.05, r"(min-p|m) ?0?\.05"),
}


@pytest.mark.parametrize("warned", [False, True])
@pytest.mark.parametrize("size", SIZES)
async def test_what_acts_is_named_at_any_size(
    tmp_path: Path, size: tuple[int, int], warned: bool
) -> None:
    """Every filter alone, and all of them at once; what is off is not there."""
    off = {name: value for name, (value, _, _) in ACTING.items() if value is not None}
    on = {name: value for name, (_, value, _) in ACTING.items()}
    low = WindowMeans(tokens=32, logp_after=-4.2, entropy=1.0, kl=6.0)
    async with open_chat(tmp_path, size=size) as chat:
        bar = chat.screen.view.alpha_bar
        bar.window_means = low if warned else None
        for acting in [*([name] for name in ACTING), list(ACTING)]:
            bar.sampling = Sampling.model_validate(off | {name: on[name] for name in acting})
            said = text_of(bar).splitlines()[0]
            for name, (_, _, shown) in ACTING.items():
                assert bool(re.search(shown, said)) == (name in acting), (acting, said)
            assert re.search(r"\bT ?[.\d]", said)
            assert ("!" in text_of(bar)) == warned


@pytest.mark.parametrize("size", SIZES)
async def test_a_temperature_of_0_takes_the_most_likely_token(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        chat.screen.view.alpha_bar.sampling = Sampling(temperature=0)
        assert re.search(r"T ?0( \(argmax\))?( |$)", text_of(chat.screen.view.alpha_bar))


@pytest.mark.parametrize("size", [(40, 15), (30, 10)])
async def test_the_bar_is_there_in_a_small_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        bar = text_of(chat.screen.view.alpha_bar)
        assert "+1" in bar
        assert "●" in bar
        assert chat.screen.view.composer.region.bottom <= size[1]


@pytest.mark.parametrize(("alpha", "knob"), [(64, "▶"), (-5, "◀"), (4, "●"), (-2, "●")])
async def test_a_value_off_the_scale_is_an_arrow(tmp_path: Path, alpha: float, knob: str) -> None:
    async with open_chat(tmp_path) as chat:
        chat.screen.conversation.set_alpha(alpha)
        await chat.frame()
        assert knob in text_of(chat.screen.view.alpha_bar)


async def test_a_change_is_marked_where_it_took_hold(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("ctrl+up")
        assert isinstance(chat.engine.commands[-1], SetAlpha)
        assert "‹α" not in chat.log
        await chat.step(1)
        assert "Otters are‹α +2› wonderful" in chat.log


async def test_the_lanes_that_are_before_and_after_stay_where_they_are(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("f4")
        await chat.say("Hi")
        await chat.step(2)
        await chat.press("ctrl+up")
        await chat.step(2)
        assert "‹α" not in chat.lane("before") + chat.lane("after")
        assert "‹α +2›" in chat.lane("amplified")


async def test_the_gauges_look_at_the_newest_tokens(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        assert "log pA" not in text_of(chat.screen.view.alpha_bar)
        await chat.step(3)
        log = chat.session.conversation.last_reply()
        assert log is not None
        mean = sum(step.logp.after for step in log.steps) / 3
        said = text_of(chat.screen.view.alpha_bar).splitlines()[1]
        assert f"last 3: log pA {mean:.2f}  KL 2.20".replace("-", "−") in said


@pytest.mark.parametrize(("size", "window"), [((80, 24), "last 32:"), ((120, 40), "last 32:")])
async def test_the_gauges_name_their_window(
    tmp_path: Path, size: tuple[int, int], window: str
) -> None:
    async with open_chat(tmp_path, size=size) as chat:
        means = WindowMeans(tokens=32, logp_after=-12.34, entropy=1.0, kl=16.0)
        chat.screen.view.alpha_bar.window_means = means
        said = text_of(chat.screen.view.alpha_bar).splitlines()[1]
        assert f"{window}!log pA −12.34" in said
        assert "KL 16.00" in said
        assert ("H 1.00" in said) == (size[0] >= 110)


async def test_the_gauges_are_those_of_the_token_under_the_cursor(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.finish()
        await chat.read()
        await chat.press("home")
        assert "KL 2.10" in text_of(chat.screen.view.alpha_bar)


async def test_a_text_that_after_would_not_write_is_marked_also_without_colour(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path) as chat:
        bar = chat.screen.view.alpha_bar
        bar.window_means = WindowMeans(tokens=32, logp_after=-4.2, entropy=1.0, kl=6.0)
        assert "!log pA −4.20" in text_of(bar)
        bar.window_means = WindowMeans(tokens=32, logp_after=-1.2, entropy=1.0, kl=6.0)
        assert "!" not in text_of(bar)


async def test_a_reply_whose_alpha_changed_has_a_timeline(tmp_path: Path) -> None:
    async with open_chat(tmp_path, size=(120, 30)) as chat:
        await chat.say("Hi")
        await chat.step(4)
        assert "▁" not in text_of(chat.screen.view.alpha_bar)
        await chat.press("ctrl+up")
        await chat.step(4)
        assert "+1 ▁▁▁▁▁▁██████ +2" in text_of(chat.screen.view.alpha_bar)


async def test_presets_are_gone_through_and_round(tmp_path: Path) -> None:
    async with open_chat(tmp_path, profile=demo_profile(presets=[2, -1, 0.5])) as chat:
        await chat.read()
        seen = []
        for _ in range(4):
            await chat.press("g")
            seen.append(chat.session.alpha)
        assert seen == [2, -1, 0.5, 2]


async def test_a_preset_is_chosen_from_the_composer(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.press("ctrl+g", "up", "up", "down", "enter")
        assert chat.session.alpha == 2


async def test_sampling_that_changes_in_mid_reply_is_marked_where_it_took_effect(
    tmp_path: Path,
) -> None:
    async with open_chat(tmp_path) as chat:
        await chat.say("Hi")
        await chat.step(2)
        chat.session.set_sampling(chat.session.sampling.model_copy(update={"temperature": 0.0}))
        await chat.finish()
        assert "Otters are‹temperature 0› wonderful!" in " ".join(chat.log.split())
