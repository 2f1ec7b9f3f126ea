"""Files in any format become texts and chats to read; nothing is half read, nothing left unsaid."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments import text_parts
from logit_amp_chat.core.experiments.sources import Refused, Source, SourceFile, read_sources
from logit_amp_chat.core.reading import Chat, PlainText, Recorded, Score
from logit_amp_chat.core.records import PromptIds, Record
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.samples import message, reply, session, step

HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
SAVED: list[Record] = [session(), message(), reply(), step(0, "By"), step(1, " the way")]
SCORES: list[Score] = ["assistant", "user", "system", "all"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str | bytes | list[object]) -> None:
    """A file; of a list every item is a line of JSON."""
    if isinstance(content, list):
        content = "".join(json.dumps(item) + "\n" for item in content)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def plain(source: Source) -> str:
    assert isinstance(source.content, PlainText)
    return source.content.text


def said(chat: Source) -> list[str]:
    assert isinstance(chat.content, Chat)
    return [message.text for message in chat.content.messages]


def refusal(*paths: str, score: Score = "assistant") -> str:
    with pytest.raises(UsageError) as raised:
        read_sources(paths, score)
    return raised.value.message


def test_a_text_is_its_file_exactly() -> None:
    text = "# Otters\r\nand\rcrabs\u2028\x1b[2J 🦦\n\n"
    write("d/a.md", text)
    sources = read_sources(["d/a.md"])
    assert list(sources) == [
        Source(name="d/a.md", place="", line=1, content=PlainText(text=text)),
    ]
    size = len(text.encode())
    assert sources.files == [SourceFile(name="d/a.md", size=size, sources=1, kind="plain text")]
    assert sources.notices == []
    assert list(sources) == list(sources)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1))
def test_any_text_comes_back_from_standard_input(text: str) -> None:
    sources = read_sources(["-"], stdin=io.BytesIO(text.encode()))
    if sources.files[0].kind == "plain text":  # not `{"text": ""}` and the like
        (source,) = sources.readable()
        assert (source.name, source.place, source.line) == ("-", "", 1)
        assert plain(source) == text


def test_long_texts_come_in_parts_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_parts, "PART", 8)
    write("a.txt", "one\ntwo\nthree\n")
    sources = read_sources(["a.txt"])
    assert [(s.place, s.line, plain(s)) for s in sources.readable()] == [
        ("part 1", 1, "one\ntwo\n"),
        ("part 2", 3, "three\n"),
    ]
    assert sources.files[0].sources == 2


def test_each_line_of_json_lines_is_a_chat_or_a_text_of_its_own_shape() -> None:
    rows: list[object] = [
        {"messages": HELLO},
        {"conversations": [{"from": "human", "value": "Ho"}, {"from": "gpt", "value": "Ha"}]},
        {"prompt": "He", "completion": "Hu"},
        "Otters",
        {"text": "Crabs"},
        {"messages": HELLO},
    ]
    write("a.jsonl", rows)
    sources = read_sources(["a.jsonl"])
    found = list(sources.readable())
    assert [(s.name, s.place, s.line) for s in found] == [
        ("a.jsonl", f"line {n}", 1) for n in range(1, 7)
    ]
    assert list(map(said, found[:3])) == [["Hello", "Hi"], ["Ho", "Ha"], ["He", "Hu"]]
    assert list(map(plain, found[3:5])) == ["Otters", "Crabs"]
    assert sources.files[0].kind == (
        "JSON Lines: 2 × messages, 1 × conversations, 1 × prompt and completion, 1 × string,"
        " 1 × text"
    )


def test_a_json_file_has_one_chat_or_a_list_of_them() -> None:
    write("one.json", json.dumps({"messages": HELLO}, indent=1))
    write("two.json", json.dumps([HELLO, {"messages": HELLO}, "Otters"], indent=1))
    sources = read_sources(["one.json", "two.json"])
    assert [(s.name, s.place) for s in sources.readable()] == [
        ("one.json", ""),
        ("two.json", "chat 1"),
        ("two.json", "chat 2"),
        ("two.json", "text 3"),
    ]
    assert [s.line for s in sources.readable()] == [1, 1, 1, 1]
    assert [file.kind for file in sources.files] == [
        "JSON: 1 × messages",
        "JSON: 1 × list of messages, 1 × messages, 1 × string",
    ]


@pytest.mark.parametrize("score", SCORES)
def test_chats_are_read_with_the_score_that_was_asked_for(score: Score) -> None:
    write("a.jsonl", [{"messages": [{"role": "system", "content": "Be brief."}, *HELLO]}])
    (source,) = read_sources(["a.jsonl"], score).readable()
    assert isinstance(source.content, Chat)
    assert source.content.score == score


def test_a_saved_chat_is_read_by_its_tokens_or_as_a_chat() -> None:
    write("a.jsonl", "".join(to_line(record) + "\n" for record in SAVED))
    sources = read_sources(["a.jsonl"])
    prompt = PromptIds((1, 2), (1, 2))
    content = Recorded(prompt=prompt, tokens=(5, 6))
    assert list(sources) == [
        Source(name="a.jsonl", place="message 1, α +1", line=1, content=content)
    ]
    assert sources.files[0].kind == "transcript: 1 × reply"
    thread = read_sources(["a.jsonl"], vocabulary="another")
    assert list(map(said, thread.readable())) == [["Otters?", "By the way"]]
    assert thread.files[0].kind == "transcript: 1 × open thread"


def test_the_vocabulary_can_be_said_once_the_pair_is_open() -> None:
    write("a.jsonl", "".join(to_line(record) + "\n" for record in SAVED) + "damaged\n")
    write("b.txt", "Crabs")
    sources = read_sources(["a.jsonl", "b.txt"])
    damaged = "a.jsonl: damaged lines, left out: 1."
    assert sources.notices == [damaged]
    another = "a.jsonl: replies in another vocabulary; the open thread is read as a chat."
    assert sources.use_vocabulary("another") == [another]
    assert sources.notices == [damaged, another]
    assert [file.name for file in sources.files] == ["a.jsonl", "b.txt"]
    chat, text = sources.readable()
    assert said(chat) == ["Otters?", "By the way"]
    assert plain(text) == "Crabs"
    assert sources.use_vocabulary(None) == []
    assert [type(source.content) for source in sources.readable()] == [Recorded, PlainText]


def test_standard_input_is_recognised_like_a_file() -> None:
    rows = "".join(json.dumps({"messages": HELLO}) + "\n" for _ in range(2))
    sources = read_sources(["-"], stdin=io.BytesIO(rows.encode()))
    assert [(s.name, s.place, said(s)) for s in sources.readable()] == [
        ("-", "line 1", ["Hello", "Hi"]),
        ("-", "line 2", ["Hello", "Hi"]),
    ]
    assert sources.files[0].kind == "JSON Lines: 2 × messages"


def test_json_of_no_known_shape_is_plain_text_and_said() -> None:
    package = '{\n  "name": "otter"\n}\n'
    write("package.json", package)
    sources = read_sources(["package.json"])
    assert list(map(plain, sources.readable())) == [package]
    assert sources.files[0].kind == "plain text, JSON of no known shape"


def test_an_encoding_other_than_plain_utf_8_is_said() -> None:
    write("a.txt", "Otters".encode("utf-16"))
    write("b.txt", "Otters".encode("utf-8-sig"))
    sources = read_sources(["a.txt", "b.txt"])
    assert list(map(plain, sources.readable())) == ["Otters", "Otters"]
    assert [file.kind for file in sources.files] == [
        "plain text, UTF-16",
        "plain text, UTF-8 with a byte order mark, which is left out",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\0", "a.png is no text: invalid UTF-8 on line 1."),
        pytest.param(
            "a.txt",
            b"fine\n" * 300_000 + b"\0",
            "a.txt is no text: NUL on line 300001.",
            id="in the second part",
        ),
        ("a.jsonl", b'"fine"\n"\xff"\n', "a.jsonl is no text: invalid UTF-8 on line 2."),
        ("a.json", b'["fine",\n"\xff"]\n', "a.json is no text: invalid UTF-8 on line 2."),
        ("a.jsonl", b'"fine"\n{"text": "to', "a.jsonl:2: no valid JSON: "),
        (
            "a.jsonl",
            b'"fine"\n{"input": "a", "output": "b"}\n',
            "a.jsonl:2: no chat of a known shape, but an object with the keys input, output.",
        ),
        (
            "a.json",
            b'[{"text": "a"},\n{"input": "a"}]',
            "a.json:2: no chat of a known shape, but an object with the keys input.",
        ),
        (
            "a.json",
            b'{"messages": [{"role": "tool", "content": "4"}]}',
            "a.json:1: message 1 has the role tool, which is not read.",
        ),
    ],
)
def test_a_named_file_that_cannot_be_read_as_a_whole_is_refused_before_anything_is_read(
    name: str, content: bytes, message: str
) -> None:
    write("good.txt", "Otters")
    write(name, content)
    assert refusal("good.txt", name).startswith(message)


def test_in_a_folder_what_cannot_be_read_is_left_out_by_name() -> None:
    write("d/good.txt", "Otters")
    for letter in "abcdef":
        write(f"d/{letter}.png", b"\x89PNG\0")
    write("d/torn.jsonl", '{"text": "a"}\n{"te')
    write("d/.hidden", "secret")
    sources = read_sources(["d"])
    assert list(map(plain, sources.readable())) == ["Otters"]
    assert [file.name for file in sources.files] == ["d/good.txt"]
    hidden, torn, binary = sources.notices
    assert hidden == "d: hidden files and folders are left out: 1."
    assert torn.startswith("Left out: d/torn.jsonl:2: no valid JSON")
    assert binary == ("Left out, no text: d/a.png, d/b.png, d/c.png, d/d.png, d/e.png and 1 more.")


def test_empty_files_are_said_and_refused_where_nothing_else_is_there() -> None:
    write("empty.txt", "")
    write("mark.txt", "\ufeff")
    write("lines.jsonl", "\n\n")
    write("a.txt", "Otters")
    sources = read_sources(["empty.txt", "a.txt", "mark.txt", "lines.jsonl"])
    assert list(map(plain, sources.readable())) == ["Otters"]
    assert sources.notices == ["Left out, empty: empty.txt, mark.txt, lines.jsonl."]
    assert refusal("empty.txt") == "There is nothing to read. Left out, empty: empty.txt."
    Path("d").mkdir()
    assert refusal("d") == "There is nothing to read."
    assert refusal() == "There is nothing to read."


def test_chats_without_a_message_to_score_are_said() -> None:
    write("a.jsonl", [{"messages": HELLO[:1]}] * 7 + [{"messages": HELLO}, {"text": ""}])
    sources = read_sources(["a.jsonl"])
    assert [source.place for source in sources.readable()] == ["line 8"]
    assert sources.notices == [
        "a.jsonl: nothing of the role assistant to score, left out:"
        " line 1, line 2, line 3, line 4, line 5 and 3 more."
    ]
    write("b.json", json.dumps(HELLO[:1]))
    assert refusal("b.json") == (
        "There is nothing to read. b.json: nothing of the role assistant to score, left out."
    )


def test_a_file_that_cannot_be_opened_is_refused_or_said(monkeypatch: pytest.MonkeyPatch) -> None:
    write("d/a.txt", "Otters")
    write("d/locked.txt", "secret")
    opened = Path.open

    def locked(path: Path, mode: str) -> object:
        if path.name == "locked.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", locked)
    assert refusal("d/locked.txt") == "Cannot read d/locked.txt: Permission denied."
    assert read_sources(["d"]).notices == ["Left out: Cannot read d/locked.txt: Permission denied."]


def test_a_file_that_changes_after_it_was_checked_is_refused_and_the_others_are_read() -> None:
    write("a.jsonl", [{"text": "Otters"}] * 2)
    write("b.txt", "Crabs")
    sources = read_sources(["a.jsonl", "b.txt"])
    os.utime("a.jsonl", ns=(0, 1))  # as by another text of the same size
    refused, other = sources
    assert isinstance(refused, Refused)
    assert (refused.name, refused.error.message) == (
        "a.jsonl",
        "a.jsonl was changed while it was read.",
    )
    assert isinstance(other, Source)
    assert plain(other) == "Crabs"
    Path("a.jsonl").unlink()
    refused, _ = sources
    assert isinstance(refused, Refused)
    assert refused.error.message == "Cannot read a.jsonl: No such file or directory."
    with pytest.raises(UsageError, match=r"^Cannot read"):
        list(sources.readable())


def test_a_file_that_changes_while_its_texts_are_read_is_refused_at_its_end() -> None:
    write("a.jsonl", [{"text": "Otters"}] * 2)
    found = []
    for source in read_sources(["a.jsonl"]):
        found.append(type(source))
        os.utime("a.jsonl", ns=(0, len(found)))
    assert found == [Source, Source, Refused]


def test_progress_is_in_bytes_and_ends_at_the_size_of_all_files() -> None:
    write("a.txt", "Otters\n" * 1_000)
    write("b.jsonl", [{"text": "Crabs " * 1_000}] * 9)
    sources = read_sources(["a.txt", "b.jsonl"])
    assert sources.size == sum(Path(name).stat().st_size for name in ("a.txt", "b.jsonl"))
    seen = []
    for _ in sources.readable():
        seen.append(sources.position)
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[1] < seen[-1] <= sources.size
    assert sources.position == sources.size


def test_the_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_parts, "PART", 1 << 14)
    write("a.txt", "an otter\n" * (1 << 19))
    write("b.jsonl", [{"messages": HELLO}] * 20_000)
    tracemalloc.start()
    read = sum(1 for _ in read_sources(["a.txt", "b.jsonl"]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read > 20_000 + (9 << 19 >> 14)
    assert peak < 1 << 20


def test_stopping_early_closes_the_file(recwarn: pytest.WarningsRecorder) -> None:
    write("a.jsonl", [{"text": "Otters"}] * 9)
    for source in read_sources(["a.jsonl"]).readable():
        assert plain(source) == "Otters"
        break
    assert list(recwarn) == []
