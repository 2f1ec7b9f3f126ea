"""A saved chat is read as the tokens that were decoded, else as the chat that it holds."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from logit_amp_chat.core.experiments.findings import Findings, Located
from logit_amp_chat.core.experiments.saved_replies import is_transcript, read_saved
from logit_amp_chat.core.reading import Chat, PlainText, Recorded, Score
from logit_amp_chat.core.records import Document, PromptIds, Record, Title
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.samples import conversation, finish, message, reply, session, step

TWO_LANES: list[Record] = [
    session(),
    message(),
    reply(),
    reply("r-2", lane="before", alpha=-1),
    step(0, "By"),
    step(0, "An", reply="r-2", alpha=-1),
    step(1, " the way", alpha=2.0),
    finish(tokens=2),
    finish("r-2"),
    message("m-2", "r-1", "And crabs?"),
    reply("r-3", "m-2"),
]
PROMPT = PromptIds((1, 2), (1, 2))


def as_bytes(records: list[Record]) -> bytes:
    return "".join(to_line(record) + "\n" for record in records).encode()


def read(
    data: bytes | list[Record], score: Score = "assistant", vocabulary: str | None = None
) -> tuple[list[Located], Findings]:
    findings = Findings()
    file = io.BytesIO(data if isinstance(data, bytes) else as_bytes(data))
    return list(read_saved(file, "a.jsonl", score, vocabulary, findings)), findings


def document(text: str, source: str = "b.txt", place: str = "part 2") -> Document:
    return Document(
        id="d-1",
        source=source,
        place=place,
        line=40,
        text=text,
        tokens=1,
        offsets=((0, 1),),
        threshold=1.0,
        window=8,
        stride=4,
    )


def test_every_reply_with_a_token_is_read_as_its_tokens_with_its_prompt() -> None:
    texts, findings = read(TWO_LANES)
    assert texts == [
        ("message 1, α +1 → α +2", 3, Recorded(prompt=PROMPT, tokens=(5, 6))),
        ("message 1, before", 4, Recorded(prompt=PROMPT, tokens=(5,))),
    ]
    assert findings.shapes == {"reply": 2}
    assert findings.notices == []


def test_ids_of_another_vocabulary_are_not_read_as_tokens() -> None:
    ours = [replace(session(), vocabulary="ours"), *TWO_LANES[1:]]
    assert len(read(ours, vocabulary="ours")[0]) == 2
    ((place, line, content),), findings = read(ours, vocabulary="theirs")
    assert (place, line) == ("", 2)
    assert isinstance(content, Chat)
    assert [m.text for m in content.messages] == ["Otters?", "By the way", "And crabs?"]
    assert findings.shapes == {"open thread": 1}
    assert findings.notices == [
        "a.jsonl: replies in another vocabulary; the open thread is read as a chat."
    ]


def test_a_session_that_does_not_name_its_vocabulary_is_another() -> None:
    assert isinstance(read(TWO_LANES, vocabulary="ours")[0][0].content, Chat)


def test_the_session_in_force_at_the_reply_counts() -> None:
    later = replace(session(), id="s-2", vocabulary="theirs")
    records = [
        replace(session(), vocabulary="ours"),
        *TWO_LANES[1:],
        later,
        step(0, "Crabs", reply="r-3"),
    ]
    texts, findings = read([*records, reply("r-4", "m-2"), step(0, "No", reply="r-4")], "assistant")
    assert len(texts) == 4
    texts, findings = read(
        [*records, reply("r-4", "m-2"), step(0, "No", reply="r-4")], vocabulary="theirs"
    )
    assert [place for place, _, _ in texts] == ["message 2, α +1 ‹ 2/2 ›"]
    assert findings.notices == ["a.jsonl: replies in another vocabulary, left out: 3."]


@pytest.mark.parametrize("score", ["user", "system", "all"])
def test_with_another_score_the_open_thread_is_read_as_a_chat(score: Score) -> None:
    records: list[Record] = [
        session(),
        replace(message("m-0", None, "Be brief."), role="system"),
        message("m-1", "m-0", "Otters?"),
        reply(),
        step(0, "By"),
    ]
    ((place, line, content),), _ = read(records, score)
    assert (place, line) == ("", 2)
    assert isinstance(content, Chat)
    assert content.score == score
    assert [(m.role, m.text) for m in content.messages] == [
        ("system", "Be brief."),
        ("user", "Otters?"),
        ("assistant", "By"),
    ]


def test_after_a_missing_token_nothing_of_the_reply_is_read() -> None:
    records = [*TWO_LANES[:5], step(2, "x"), step(3, "y"), reply("r-9"), step(4, "z", reply="r-9")]
    texts, findings = read(records)
    assert [content for _, _, content in texts] == [Recorded(prompt=PROMPT, tokens=(5,))]
    assert findings.notices == [
        "a.jsonl: message 1, α +1 ‹ 1/2 › lacks token 2; the tokens after it are left out: 2.",
        "a.jsonl: message 1, α +1 ‹ 2/2 › lacks token 1; the tokens after it are left out: 1.",
    ]


def test_damaged_lines_are_left_out_and_said() -> None:
    data = as_bytes(TWO_LANES[:5]) + b'\xff{"type"\n' + as_bytes(TWO_LANES[5:]) + b'{"type":"st'
    texts, findings = read(data)
    assert [tokens for _, _, tokens in texts] == [tokens for _, _, tokens in read(TWO_LANES)[0]]
    assert findings.notices == ["a.jsonl: damaged lines, left out: 2."]


def test_documents_that_diff_wrote_are_read_as_their_texts() -> None:
    texts, findings = read(
        [session(), document("Otters"), step(0, "O", reply="d-1"), document("Crabs", place="")]
    )
    assert texts == [
        ("b.txt part 2", 2, PlainText(text="Otters")),
        ("b.txt", 4, PlainText(text="Crabs")),
    ]
    assert findings.shapes == {"document": 2}


def test_a_transcript_without_messages_has_nothing_to_read() -> None:
    assert read([session()])[0] == []
    assert read(b"")[0] == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (as_bytes(TWO_LANES), True),
        (as_bytes(conversation()), True),
        (as_bytes([message()]), True),
        (as_bytes([session(), document("Otters")]), True),
        (b'{"type":"sonar","depth":1}\n' + as_bytes([message()]), True),
        (b'{"type":"sess\n' + as_bytes([message()]), True),
        (as_bytes([Title(text="a title alone could be anybody's")]), False),
        (b"A line of a transcript:\n" + as_bytes([message()]), False),
        (b'{"messages": []}\n', False),
        (b'{"type":"message","role":"user","content":"Hi"}\n', False),
        (b"", False),
        pytest.param(b"{" * 3_000_000, False, id="one long line"),
    ],
)
def test_a_transcript_is_known_by_its_records(data: bytes, expected: bool) -> None:
    assert is_transcript(io.BytesIO(data)) is expected
