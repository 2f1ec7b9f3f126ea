"""Every number is checked at its field; nothing is taken before all are right."""

from __future__ import annotations

import pytest
from textual.widgets import Input, Static

from logit_amp_chat.core.chat.settings import ChatSettings
from logit_amp_chat.core.number_format import setting
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.dialogs.prompt_fields import NoSystem, SystemPrompt, TemplateField
from logit_amp_chat.tui.dialogs.sampling import MEANING, NUMBERS, Field, SamplingScreen
from tests.tui.chat_driver import text_of
from tests.tui.dialogs.host import UNANSWERED, Host, until

DEFAULT = Sampling()
KEYS = {" ": "space", "|": "vertical_line", "\\": "backslash"}


def shown(name: str) -> str:
    """What a line shows of the defaults."""
    if name == "dry":
        return "0 1.75 2"
    if name == "repetition":
        return "1"
    if name == "dry_breakers":
        return r'\n|:|"|*'
    return setting(getattr(DEFAULT, name))


def field(app: Host, name: str) -> Field:
    return next(field for field in app.screen.query(Field) if field.number == name)


def test_every_field_of_sampling_is_asked_for() -> None:
    asked = [name for line in MEANING for name in NUMBERS.get(line, (line,))]
    assert asked == list(Sampling.model_fields)


async def test_enter_alone_changes_nothing() -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, "Be terse.")))
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == ChatSettings(DEFAULT, "Be terse."))


async def test_it_says_which_side_has_a_system_prompt_of_its_own() -> None:
    own = "after has “You are a pirate.”: the chat's is for the other side alone."
    app = Host(SamplingScreen(ChatSettings(DEFAULT, None), own))
    async with app.run_test() as pilot:
        await until(pilot, lambda: own in "".join(map(text_of, app.screen.query(Static))))


async def test_numbers_are_typed_in_order_with_tab_between_them() -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, None)))
    async with app.run_test() as pilot:
        for typed in ("1", "1", "40", "0.05", "0", "after", "64", "123456789012"):
            await pilot.press(*typed, "tab")
        for typed in (r"\nUser:|END", "1.1", "0.8 2 3", r"\n|a\|b", "all"):
            await pilot.press(*(KEYS.get(letter, letter) for letter in typed), "tab")
        await pilot.press(*"thinking=false", "tab", *"Be kind.", "ctrl+j", *"Be brief.", "enter")
        await until(pilot, lambda: app.answer is not UNANSWERED)
    sampling = Sampling(
        temperature=1,
        top_p=1,
        top_k=40,
        min_p=0.05,
        plausibility=0,
        ends="after",
        max_new_tokens=64,
        seed=123456789012,
        stop=("\nUser:", "END"),
        repetition_penalty=1.1,
        dry_multiplier=0.8,
        dry_base=2,
        dry_allowed_length=3,
        dry_breakers=("\n", "a|b"),
        penalize="all",
    )
    assert app.answer == ChatSettings(sampling, "Be kind.\nBe brief.", {"thinking": False})


async def test_a_blank_system_prompt_is_none() -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, "Be terse.")))
    async with app.run_test() as pilot:
        app.screen.query_one(SystemPrompt).load_text("  \n")
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == ChatSettings(DEFAULT, None))


@pytest.mark.parametrize("size", [(40, 12), (60, 15)])
async def test_tab_goes_through_all_fields_where_there_is_no_room_for_them(
    size: tuple[int, int],
) -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, "1.\n2.\n3.\n4.\n5.\n6.")))
    async with app.run_test(size=size) as pilot:
        for name in MEANING:
            assert f"{name.replace('_', ' ')} {shown(name)}".strip() in app.words
            assert app.dialog.keys in app.words
            await pilot.press("tab")
        await pilot.press("tab")
        assert {"5.", "6."} <= {*app.words.split()}
        assert app.dialog.keys in app.words


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("temperature", "-1", "! ≥ 0"),
        ("temperature", "hot", "! a number ≥ 0"),
        ("temperature", "1,5", "! a number ≥ 0"),
        ("temperature", "inf", "! a number ≥ 0"),
        ("top_p", "0", "! >0 to 1"),
        ("top_p", "0,9", "! a number >0 to 1"),
        ("top_k", "1.5", "! a whole number ≥ 0"),
        ("min_p", "1", "! 0 to <1"),
        ("plausibility", "nan", "! a number 0 to <1"),
        ("ends", "before", "! mix|after"),
        ("ends", "1", "! mix|after"),
        ("max_new_tokens", "0", "! ≥ 1"),
        ("seed", "", "! a whole number ≥ 0"),
        ("seed", "9223372036854775808", "! ≥ 0"),
        ("repetition", "0", "! >0"),
        ("dry", "0 0.5 2", "! ≥0 ≥1 ≥1"),
        ("dry", "0.8", "! numbers ≥0 ≥1 ≥1"),
        ("penalize", "none", "! amplified|all"),
    ],
)
async def test_a_wrong_number_is_refused_at_its_field(name: str, typed: str, said: str) -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, None)))
    async with app.run_test() as pilot:
        wrong = field(app, name)
        hint = wrong.query_one(".hint", Static)
        wrong.query_one(Input).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: " ".join(text_of(hint).split()) == said)
        assert app.answer is UNANSWERED
        assert app.focused is wrong.query_one(Input)
        mended = {"ends": "mix", "penalize": "all", "dry": "0 1 1", "repetition": "1"}
        wrong.query_one(Input).value = mended.get(name, "0.5" if "p" in name else "1")
        await until(pilot, lambda: "! " not in app.text)


@pytest.mark.parametrize(
    ("system", "typed", "taken"),
    [(None, "own", None), ("", "none", ""), ("Be terse.", "none", ""), ("", "own", None)],
)
async def test_no_system_prompt_is_the_templates_own_or_none(
    system: str | None, typed: str, taken: str | None
) -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, system)))
    async with app.run_test() as pilot:
        app.screen.query_one(SystemPrompt).load_text("")
        empty = app.screen.query_one(NoSystem).query_one(Input)
        assert empty.value == ("none" if system == "" else "own")
        empty.value = typed
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == ChatSettings(DEFAULT, taken))


@pytest.mark.parametrize(
    ("kind", "typed", "said"),
    [
        (TemplateField, "thinking", "! expected NAME=VALUE, found thinking"),
        (TemplateField, "[b]=1", "! expected the name of a template variable"),
        (NoSystem, "maybe", "! own|none: keep"),
    ],
)
async def test_what_prompts_cannot_be_made_with_is_refused_at_its_field(
    kind: type[TemplateField | NoSystem], typed: str, said: str
) -> None:
    app = Host(SamplingScreen(ChatSettings(DEFAULT, None, {"thinking": True})))
    async with app.run_test() as pilot:
        field = app.screen.query_one(kind).query_one(Input)
        usual, field.value = field.value, typed
        await pilot.press("enter")
        await until(pilot, lambda: said in app.words)
        assert app.focused is field
        assert app.answer is UNANSWERED
        field.value = usual
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: app.answer == ChatSettings(DEFAULT, None, {"thinking": True}))
