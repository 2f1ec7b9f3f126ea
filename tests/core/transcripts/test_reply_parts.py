"""What a reply consists of: thinking, answer, tool calls, channels, marks."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from logit_amp_chat.core.transcripts.reply_parts import ReplyParts, opens_thinking


class Token(NamedTuple):
    text: str
    bytes: str | None = None
    special: bool = False


def special(name: str) -> Token:
    return Token(name, special=True)


def parts(*said: str | Token, thinks: bool = False) -> ReplyParts:
    read = ReplyParts(thinks)
    shown = "".join([read.add(one if isinstance(one, Token) else Token(one)) for one in said])
    shown += read.finish()
    assert shown == read.marked
    return read


def seen(read: ReplyParts) -> list[tuple[str, str]]:
    return [(part.kind, read.text(part.start, part.end)) for part in read.parts]


CHANNEL, MESSAGE, END = special("<|channel|>"), special("<|message|>"), special("<|end|>")
START, RETURN, CALL = special("<|start|>"), special("<|return|>"), special("<|call|>")
HARMONY = (
    *(CHANNEL, "analysis", MESSAGE, "User asks", " a sum.", END),
    *(START, "assistant", CHANNEL, "final", MESSAGE, "It is", " 4.", RETURN),
)


def test_a_reply_without_marks_is_an_answer() -> None:
    read = parts("Hello", " there.", special("<|im_end|>"))
    assert seen(read) == [("answer", "Hello there."), ("special", "<|im_end|>")]
    assert (read.answer, read.thinking) == ("Hello there.", "")


@pytest.mark.parametrize(
    "said",
    [
        ("<think>", "\n", "Hm", "\n", "</think>", "\n\n", "Paris"),
        (special("<think>"), "\nHm\n", special("</think>"), "\n\nParis"),
        ("<", "think", ">\n", "Hm\n", "</", "think", ">\n\n", "Par", "is"),
        ("<thi", "nk>\nHm\n</think>\n\nParis"),
    ],
)
def test_thinking_is_found_however_its_marks_are_tokenized(said: tuple[str | Token, ...]) -> None:
    read = parts(*said)
    assert seen(read) == [
        ("mark", "<think>"),
        ("thinking", "\nHm\n"),
        ("mark", "</think>"),
        ("answer", "\n\nParis"),
    ]
    assert (read.answer, read.thinking) == ("Paris", "Hm")


def test_thinking_that_the_prompt_began_has_an_end_only() -> None:
    said = (" Hm", "\n", "</think>", "\n\n", "Paris")
    read = parts(*said, thinks=True)
    assert seen(read)[0] == ("thinking", " Hm\n")
    # Older records do not say that the prompt left thinking open.
    assert seen(parts(*said)) == seen(read)


def test_cut_off_thinking_is_no_answer() -> None:
    read = parts("<think>", "\nHm", thinks=False)
    assert (read.answer, read.thinking, read.thinks) == ("", "Hm", True)


def test_marks_that_are_only_mentioned_are_text() -> None:
    said = ("Write `", "<think>", "` and `", "</think>", "` around it, or <", "tool_call", ">.")
    read = parts(*said)
    assert [kind for kind, _ in seen(read)] == ["answer"]


def test_mistral() -> None:
    read = parts(special("[THINK]"), "Hm", special("[/THINK]"), "Paris", special("</s>"))
    assert (read.thinking, read.answer) == ("Hm", "Paris")
    read = parts(special("[TOOL_CALLS]"), '[{"name": "f"}]', special("</s>"))
    assert seen(read)[1] == ("tool call", '[{"name": "f"}]')
    assert read.answer == '[TOOL_CALLS][{"name": "f"}]'


def test_a_tool_call_is_part_of_what_is_said_as_it_is_marked() -> None:
    read = parts("Let me look.\n", "<tool_call>", "\n{}\n", "</tool_call>")
    assert seen(read)[2] == ("tool call", "\n{}\n")
    assert read.answer == "Let me look.\n<tool_call>\n{}\n</tool_call>"


class TestHarmony:
    def test_channels_are_apart(self) -> None:
        read = parts(*HARMONY)
        assert seen(read) == [
            ("mark", "<|channel|>analysis<|message|>"),
            ("thinking", "User asks a sum."),
            ("mark", "<|end|>"),
            ("mark", "<|start|>assistant<|channel|>final<|message|>"),
            ("answer", "It is 4."),
            ("special", "<|return|>"),
        ]
        assert (read.answer, read.thinking) == ("It is 4.", "User asks a sum.")

    @pytest.mark.parametrize(
        "header",
        [
            (CHANNEL, "commentary", " to=functions.f", special("<|constrain|>"), "json", MESSAGE),
            (" to=functions.f", CHANNEL, "commentary json", MESSAGE),
        ],
    )
    def test_a_tool_call_has_the_name_of_its_tool(self, header: tuple[str | Token, ...]) -> None:
        read = parts(*header, "{}", CALL)
        assert seen(read)[1:] == [("tool call", "{}"), ("special", "<|call|>")]
        assert read.parts[1].name == "functions.f"

    def test_a_channel_of_another_name_is_said(self) -> None:
        read = parts(CHANNEL, "commentary", MESSAGE, "First I look.", END)
        assert (read.parts[1].kind, read.parts[1].name) == ("channel", "commentary")
        assert "First I look." in read.answer

    @pytest.mark.parametrize("rest", ["analysis and\n on", "x" * 300])
    def test_what_is_too_long_for_a_header_is_an_answer(self, rest: str) -> None:
        assert rest in parts(CHANNEL, "a ", rest, " on").answer

    def test_an_end_of_turn_of_another_family_is_no_mark(self) -> None:
        assert seen(parts("Hello", END)) == [("answer", "Hello"), ("special", "<|end|>")]


def test_a_step_in_two_parts_is_divided() -> None:
    read = parts("<thi", "nk>\nHm</think>P", "aris")
    spans = [[(part.kind, text) for part, text in read.spans(n)] for n in range(3)]
    assert spans == [
        [("mark", "<thi")],
        [("mark", "nk>"), ("thinking", "\nHm"), ("mark", "</think>"), ("answer", "P")],
        [("answer", "aris")],
    ]
    assert list(read.steps_of(read.parts[1])) == [1]


def test_a_split_character_belongs_to_the_token_that_completes_it() -> None:
    read = parts("<think>", Token("�", "c3"), Token("�", "a9"), "</think>", Token("�", "c3"))
    assert [text for _, text in seen(read)] == ["<think>", "é", "</think>", "�"]


def test_the_revision_changes_with_every_mark_and_only_then() -> None:
    read, revisions = ReplyParts(), []
    for text in ("<think>", "Hm", " so", "</think>", "Par", "is"):
        read.add(Token(text))
        revisions.append(read.revision)
    assert revisions == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("said", "settled"),
    [
        (("<",), 0),
        (("Hi <",), 4),
        (("Hi\n", "<th"), 3),
        (("<think>", "Hm", "</"), 9),
        (("<think>", "Hm", "</x"), 12),
        (("<think>", "Hm", "</think>", "Hi <th"), 23),
    ],
)
def test_what_may_begin_a_mark_is_not_settled(said: tuple[str, ...], settled: int) -> None:
    read = ReplyParts()
    for text in said:
        read.add(Token(text))
    assert read.settled == settled


@pytest.mark.parametrize("seed", range(200))
def test_no_order_of_tokens_loses_text(seed: int) -> None:
    draw = random.Random(seed)
    tokens = [
        *(CHANNEL, MESSAGE, END, START, RETURN, special("<|constrain|>"), special("[THINK]")),
        *map(Token, ("<think>", "</think>", "<", "think", ">", "\n", "</", " to=f", "analysis")),
        *(Token("final"), Token("<tool_call>"), Token("</tool_call>"), Token("�", "c3")),
    ]
    said = [draw.choice(tokens) for _ in range(40)]
    read = ReplyParts(thinks=seed % 2 == 0)
    for one in said:
        read.add(one)
        assert "".join(text for _, text in seen(read)) == read.text(0, read.length)
    read.finish()
    by_step = "".join(text for n in range(len(said)) for _, text in read.spans(n))
    assert by_step == "".join(text for _, text in seen(read))
    assert all(kind != "mark" or text for kind, text in seen(read))


@pytest.mark.parametrize(
    ("prompt", "opens"),
    [
        ("<｜Assistant｜><think>\n", True),
        ("[INST]Hi[/INST][THINK]", True),
        ("<|im_start|>assistant\n", False),
        ("<think>\n\n</think>\n\n", False),
    ],
)
def test_whether_a_prompt_leaves_thinking_open(prompt: str, opens: bool) -> None:
    assert opens_thinking(prompt) is opens


@pytest.mark.parametrize("behind", [(special("<tool_call>"), "x"), (" json\nIt is 4.",), ()])
def test_a_call_that_is_addressed_first_and_not_completed(behind: tuple[str | Token, ...]) -> None:
    said = (" to=functions.f", CHANNEL, *behind)
    read = ReplyParts()
    for one in said:
        read.add(one if isinstance(one, Token) else Token(one))
        ends = [0, *(part.end for part in read.parts)]
        assert [part.start for part in read.parts] == ends[:-1], "each begins where one ended"
        assert ends[-1] == read.length
