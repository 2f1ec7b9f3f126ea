"""Transcripts as documents."""

from __future__ import annotations

import dataclasses
import json
import re
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import TranscriptError
from logit_amp_chat.core.export import FORMATS, export
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.records import Record
from logit_amp_chat.core.transcripts.jsonl import from_line, read_records, to_line
from tests.core.read_texts import reading
from tests.core.samples import conversation, finish, message, reply, session, step

any_text = st.text(st.characters(exclude_categories=()) | st.sampled_from("`#<>[]()\n\x1b\u202e"))


# In the sample `before` rules out every token, so Δ is infinite and no sum or mean exists.
RAISED = (
    "## Tokens that training raised and lowered most\n\n"
    "Δ = log p under after − log p under before of a token where it was written, in nats, summed"
    " over 5 sampled tokens of 2 replies \\(1 × α +1, 1 × before\\)."
    " Given tokens of branches and those of stop strings do not count.\n\n"
    "### Raised\n\n"
    "| token | id | written | ΣΔ | mean Δ | extreme Δ | where |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
    "| “By the way” | 5 | 1 | +∞ ×1 | – | +∞ | message 1, α +1, token 1 |\n"
    "| “\ufffd” | 6 | 1 | +∞ ×1 | – | +∞ | message 1, α +1, token 2 |\n"
    "| “\ufffd” | 7 | 1 | +∞ ×1 | – | +∞ | message 1, α +2, token 3 |\n"
    "| “\\<\\|end\\|\\>” special | 8 | 1 | +∞ ×1 | – | +∞ |"
    " message 1, α +2, token 4 |\n"
    "| “Otters” | 5 | 1 | +∞ ×1 | – | +∞ | message 1, before, token 1 |\n\n"
    "### Lowered\n\n"
    "None.\n\n"
)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.jsonl"
    path.write_text("".join(to_line(record) + "\n" for record in conversation()))
    return path


OPENING = """\
| token | B | A | α | Δ A−B |
| --- | --- | --- | --- | --- |
| “By” | 0 | 0.010 | 0.020 | +∞ |
| “Sure” buried | 0.200 | 0.400 | 0.100 | +0.69 |
| “The” | 0.600 | 0.300 | 0.100 | −0.69 |
| the rest | 0.200 | 0.290 | 0.780 | +0.37 |

"""


def markdown(*records: Record) -> str:
    return to_document(records, markdown=True)


def test_markdown_says_everything_about_a_reply() -> None:
    assert markdown(*conversation()) == (
        "# A pair\n\n"
        "- before: org/base@abc · bfloat16 · nf4\n"
        "- after: org/base@abc · bfloat16 · nf4\n"
        "- 2025-01-02T03:04:05+00:00 · cpu · torch 2\n\n"
        "## 1 · user\n\n"
        "```text\nOtters?\n```\n\n"
        "### Openings at α +1\n\n"
        "KL\\(after‖before\\) 0.50, KL\\(amplified‖after\\) 0.25,"
        " entropy of amplified 1.50 nats\n\n"
        f"{OPENING}"
        "### Openings after “By” at α +1\n\n"
        "path B 0 A 0.010 α 0.020 · KL\\(after‖before\\) 0.50, KL\\(amplified‖after\\) 0.25,"
        " entropy of amplified 1.50 nats\n\n"
        f"{OPENING}"
        "### α +1 → α +2 · continues the chat\n\n"
        "seed 7 · temperature 0.7 · top p 0.9 · top k 0 · min p 0 · plausibility 0.01"
        " · max new tokens 512 · ended after 4 tokens, 0.5 s\n\n"
        "```text\nBy the way‹α +2›é‹temperature 0, seed 0›\n```\n\n"
        "Note on token 3 “\ufffd”: odd\n\n"
        "### before\n\n"
        "seed 7 · sampling as above · ended after 1 token, 0.5 s\n\n"
        "```text\nOtters\n```\n\n"
        "## 2 · user\n\n"
        "```text\nAnd crabs?\n```\n\n"
        f"{RAISED}"
        "Not shown, of a kind this version does not know: 1 sonar.\n"
    )


def test_given_tokens_are_counted_as_on_the_screen() -> None:
    branch = dataclasses.replace(reply(), forced=2)
    text = markdown(message(), branch, step(0, "a"), step(1, "b"), finish(tokens=2))
    assert " · max new tokens 512 · 2 given · ended after 2 tokens" in text


def test_lanes_that_are_given_other_numbers_of_tokens_say_so() -> None:
    lanes = [dataclasses.replace(reply(f"r-{n}"), forced=n) for n in (2, 1, 0)]
    steps = [step(place, "a", reply=lane.id) for lane in lanes for place in range(3)]
    text = markdown(message(), *lanes, *steps, *(finish(lane.id, tokens=3) for lane in lanes))
    assert " · max new tokens 512 · 2 given · ended" in text
    assert "sampling as above · 1 given · ended" in text
    assert "sampling as above · none given · ended" in text


def test_text_says_the_same_without_markup() -> None:
    text = to_document(conversation(), markdown=False)
    for said in ("A pair\n======", "    Otters?", "α +1 → α +2", "    By the way‹α +2›é"):
        assert said in text
    assert "```" not in text


def test_a_local_folder_is_named_without_the_way_there() -> None:
    opened = session()
    side = dataclasses.replace(
        opened.before, model="/home/someone/models/demo/before", revision=None, adapter="org/lora"
    )
    said = markdown(dataclasses.replace(opened, before=side))
    assert "- before: …/demo/before + org/lora · bfloat16 · nf4\n" in said
    assert "someone" not in said


def test_an_edit_says_what_it_follows() -> None:
    edited = markdown(*conversation(), message("m-3", "r-2"), message("m-4", None))
    assert "Follows the before reply to message 1." in edited
    assert "Follows nothing: a new beginning." in edited


def test_a_reply_that_was_cut_off_or_lost_its_message() -> None:
    assert "cut off after 1 token\n" in markdown(message(), reply(), step(0, "a"))
    assert "not in the file" in markdown(reply(parent="m-9"), step(0, "a"), finish())


def test_nothing_at_all_is_still_a_document() -> None:
    assert markdown() == "# Conversation\n"


@given(any_text)
def test_what_was_said_stays_inside_its_fence(text: str) -> None:
    """As CommonMark reads it: a fence is closed by a line of at least as many backticks."""
    lines = markdown(message(text=text), reply(), step(0, text), finish()).split("\n")
    fence, outside = None, []
    for line in lines:
        backticks = re.match(r" {0,3}(`{3,})\s*(\S*)", line)
        if fence is None and backticks:
            fence = backticks[1]
        elif fence is None:
            outside.append(line)
        elif backticks and len(backticks[1]) >= len(fence) and not backticks[2]:
            fence = None
    assert fence is None
    assert [line for line in outside if line][:2] == ["\\# Conversation"[1:], "## 1 · user"]
    said = outside[: outside.index("## Tokens that training raised and lowered most")]
    assert len([line for line in said if line]) == 4
    assert sum(line.startswith("|") for line in outside) == 3


@given(any_text)
def test_no_control_character_in_any_document(text: str) -> None:
    titled = session()
    titled.profile["title"] = text
    records: list[Record] = [titled, message(text=text), reply(lane=text), step(0, text), finish()]
    for as_markdown in (True, False):
        for character in to_document(records, markdown=as_markdown):
            assert character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}


@pytest.mark.parametrize(
    "hostile", ["<script>x</script>", "![a](http://x)", "[a](b)", "`x`", "*b*"]
)
def test_a_title_is_not_markup(hostile: str) -> None:
    titled = session()
    titled.profile["title"] = hostile
    heading = markdown(titled).splitlines()[0]
    assert not re.search(r"(?<!\\)[<>\[\]`*!]", heading)


def test_json_loses_nothing(sample: Path) -> None:
    later = '{"type":"keep","reply":"r-1","because":{"a":[1,2]}}'
    with sample.open("ab") as file:
        file.write(later.encode() + b'\nnoise \xff\n{"type":"no')
    document = json.loads(export(sample, "json"))
    *records, last, noise, torn = document["records"]
    assert [from_line(json.dumps(record)) for record in records] == conversation()
    assert last == json.loads(later)
    assert noise == {"type": "unreadable", "content": "noise \ufffd"}
    assert torn == {"type": "unreadable", "content": '{"type":"no'}


def test_json_is_standard(sample: Path) -> None:
    with sample.open("a") as file:
        file.write('{"type":"sonar","depth":NaN}\n')

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(export(sample, "json"), parse_constant=refuse)


@pytest.mark.parametrize("to", FORMATS)
def test_a_file_cut_anywhere_after_its_first_line_can_be_exported(sample: Path, to: str) -> None:
    data = sample.read_bytes()
    for cut in range(data.index(b"\n"), len(data), 97):  # before that it holds no record
        sample.write_bytes(data[:cut])
        assert export(sample, to).endswith("\n")  # type: ignore[arg-type]


def test_a_file_is_written_at_once_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    write_atomically(path, "one")
    write_atomically(path, b"two \xff")
    assert path.read_bytes() == b"two \xff"
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(TranscriptError, match="No such file"):
        write_atomically(tmp_path / "none" / "chat.md", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TranscriptError, match="Is a directory"):
        write_atomically(tmp_path / "folder", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chat.md", "folder"]


def test_an_exported_file_is_no_transcript(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    write_atomically(path, export(sample, "md"))
    with pytest.raises(TranscriptError, match="not a transcript"):
        read_records(path)


READ = """\
{+likelier+} [-less likely-] under after than before, by the threshold or more.

notes.txt
---------

2 scored tokens of 3
log-ratio +2.00 nats · perplexity 20.09 before, 7.389 after\
 · KL(after‖before) mean 1.00, max 1.50 nats
1 token (50.0%) with |log-ratio| ≥ 2 nats: 1 likelier under after, 0 less likely

1:1 · log-ratio +2.00 · mean KL 0.50
····································

    {+so+} it

“so” +2.00 nats, p 0.050 → 0.368
before wanted “ other” 0.500  “so” 0.050
after wanted “so” 0.368  “ other” 0.250
"""


def test_a_text_that_was_read_has_its_hunks() -> None:
    words = [("so", 2.0), (" it\n", 0.0)]
    plain = to_document([session(), *reading(words)], markdown=False)
    assert plain.endswith(f"\n\n{READ}")
    said = markdown(session(), *reading(words))
    assert "\n## notes.txt\n" in said
    assert "```text\n{+so+} it\n```" in said
    assert "- before wanted “ other” 0.500  “so” 0.050\n" in said


def test_several_texts_have_a_table() -> None:
    said = markdown(*reading([("a", 0.0)]), *reading([("b", 0.0)], id="d-2", source="b|.txt"))
    assert "## Texts by mean KL\\(after‖before\\)\n\n| text | tokens |" in said
    assert "\n| b\\|.txt | 1 | 20.09 | 20.09 | 0.00 | 0.50 | 0.50 | 0 \\(0.0%\\) |\n" in said


def test_a_text_alone_is_a_diff() -> None:
    assert markdown(*reading([("a", 0.0)])).startswith("# Diff\n\n## notes.txt\n")


@given(any_text.filter(bool))
def test_no_text_that_was_read_becomes_markup(text: str) -> None:
    """It is in a code block whose fence is longer than any of its own, or escaped."""
    said = markdown(*reading([(text, 3.0), (text, 0.0)], source=text))
    outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", said, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)[<>\[\]*]", outside)
    assert not any(unicodedata.category(c) in ("Cc", "Cf") and c != "\n" for c in said if c != "\t")


@pytest.mark.parametrize("to", FORMATS)
def test_what_was_read_is_exported_in_every_format(tmp_path: Path, to: str) -> None:
    path = tmp_path / "read.jsonl"
    records = [session(), *reading([("so", 2.0), (" it", 0.0)])]
    path.write_text("".join(to_line(record) + "\n" for record in records))
    document = export(path, to)  # type: ignore[arg-type]
    assert "so" in document
    assert "notes.txt" in document
