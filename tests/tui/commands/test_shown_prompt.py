"""`reply --show-prompt`, and what else says how a prompt is made."""

from __future__ import annotations

import sys

import pytest

from logit_amp_chat.core.prompts import PromptRequest, PromptToken, PromptTokens
from logit_amp_chat.tui.commands import main as cli
from tests.tui.scripted_engine import ScriptedEngine

Capture = pytest.CaptureFixture[str]

USER, HI, END = (
    PromptToken(1, "<|user|>", True),
    PromptToken(7, "Hi\n", False),
    PromptToken(4, "<|end|>", True),
)
KIND = PromptToken(9, "be kind", False)


def command(pair: str, *more: str) -> list[str]:
    return ["reply", "--profile", pair, "--prompt", "Hi", "--show-prompt", *more]


def test_a_prompt_that_both_sides_get_is_shown_once(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    engine.prompts = PromptTokens(before=(USER, HI, END), after=(USER, HI, END))
    assert cli.run(command(pair)) == 0
    out, err = capsys.readouterr()
    assert out == ("── before and after: 3 tokens, 2 of them special ──\n⟦<|user|>⟧Hi\n⟦<|end|>⟧\n")
    assert err == "weights: before\nnote: the head is in 16 bit\n"
    assert engine.request is None  # nothing was decoded


def test_sides_that_differ_are_shown_each_and_so_is_what_replies_begin_with(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    engine.prompts = PromptTokens(
        before=(USER, HI), after=(KIND, USER, HI), given=(KIND,), notices=("a date was added",)
    )
    assert cli.run(command(pair)) == 0
    out, err = capsys.readouterr()
    assert out == (
        "── before: 2 tokens, 1 of them special ──\n⟦<|user|>⟧Hi\n\n\n"
        "── after: 3 tokens, 1 of them special ──\nbe kind⟦<|user|>⟧Hi\n\n\n"
        "── every reply begins with: 1 token, 0 of them special ──\nbe kind\n"
    )
    assert err.endswith("note: a date was added\n")


def test_what_the_template_adds_is_counted_where_that_is_certain(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    both = (USER, HI, END)
    engine.prompts = PromptTokens(before=both, after=both, given=(KIND,), added=(2, 2))
    assert cli.run(command(pair)) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("──")]
    assert heads == [
        "── before and after: 3 tokens, 2 of them special, 2 by the template ──",
        "── every reply begins with: 1 token, 0 of them special ──",
    ]
    engine.prompts = PromptTokens(before=both, after=(KIND, *both), added=(2, None))
    assert cli.run(command(pair)) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("──")]
    assert heads == [
        "── before: 3 tokens, 2 of them special, 2 by the template ──",
        "── after: 4 tokens, 2 of them special ──",
    ]


def test_a_notice_of_the_pair_is_not_said_again(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    notices = ("the head is in 16 bit", "a date was added")
    engine.prompts = PromptTokens(before=(HI,), after=(HI,), notices=notices)
    assert cli.run(command(pair)) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == ["note: the head is in 16 bit", "note: a date was added"]


def test_hostile_text_is_visible(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
    hostile = PromptToken(1, "\x1b[31m\u202e", True), PromptToken(2, "\x9b", False)
    engine.prompts = PromptTokens(before=hostile, after=hostile)
    assert cli.run(command(pair)) == 0
    assert capsys.readouterr().out.endswith("⟦␛[31m‹RLO›⟧‹U+009B›\n")


def test_special_tokens_have_a_colour_on_a_terminal_unless_that_is_not_wanted(
    engine: ScriptedEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.prompts = PromptTokens(before=(USER, HI), after=(USER, HI))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.run(command(pair))
    assert "\x1b[36m⟦<|user|>⟧\x1b[mHi" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.run(command(pair))
    assert "\x1b" not in capsys.readouterr().out


def test_it_shows_what_the_same_command_would_ask(engine: ScriptedEngine, pair: str) -> None:
    options = ["--system", "", "--template-arg", "thinking=false", "--template-arg", "n=3"]
    assert cli.run(command(pair, "--special-tokens", *options)) == 0
    assert isinstance(engine.looked_at, PromptRequest)
    said = [(m.role, m.text, m.special) for m in engine.looked_at.messages]
    assert said == [("system", "", True), ("user", "Hi", True)]
    assert engine.profile is not None
    assert engine.profile.template == {"thinking": False, "n": 3}
    words = [word for word in command(pair, *options) if word != "--show-prompt"]
    assert cli.run(words) == 0
    assert engine.request is not None
    assert [(m.text, m.special) for m in engine.request.messages] == [("", False), ("Hi", False)]


def test_json_and_a_prompt_to_look_at_exclude_each_other(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    assert cli.run(command(pair, "--jsonl")) == 2
    assert "--show-prompt: cannot be combined with --jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "why"),
    [("thinking", "expected NAME=VALUE"), ("messages=1", "of the template's own")],
)
@pytest.mark.parametrize(
    "words",
    [
        *(["reply", "--prompt", "Hi"], ["diff", "x"], ["loss", "x"], ["search", "x"]),
        *(["sweep", "--prompt", "Hi", "--behaviour", "a=b"], []),
    ],
    ids=lambda words: (*words, "chat")[0],
)
def test_a_variable_that_cannot_be_is_wrong_usage(
    words: list[str], variable: str, why: str, capsys: Capture
) -> None:
    assert cli.run([*words, "--template-arg", variable]) == 2
    err = capsys.readouterr().err
    assert "--template-arg" in err
    assert why in err
