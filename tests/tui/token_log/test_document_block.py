"""A text that was read, as the log shows it."""

from __future__ import annotations

from logit_amp_chat.core.records import Document, Finish, PromptIds, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.document_block import DocumentBlock
from tests.core.read_texts import finish, step


def block(text: str, *ranges: tuple[int, int]) -> DocumentBlock:
    """A text, some ranges of which are tokens that will be measured."""
    document = Document(
        id="d-1", text=text, tokens=len(ranges), offsets=ranges, threshold=1.0, window=9, stride=4
    )
    reply = Reply(
        id="d-1", parent=None, lane="amplified", alpha=0.0, seed=0, turn=0,
        sampling=Sampling(), prompt=PromptIds((), ()),
    )  # fmt: skip
    return DocumentBlock(document, ReplyLog(reply))


def grown(shown: DocumentBlock, *records: Step | Finish) -> list[tuple[str, str, int | None]]:
    """Text, kind and step of every span once these records have come."""
    for record in records:
        shown.log.add(record)
    shown.lay_out(80)
    return [(s.text, s.kind, s.step) for line in shown.wrapped.lines for s in line]


def test_what_is_not_scored_is_muted_and_has_no_step() -> None:
    shown = block("<user> Hi <end>", (7, 9))
    assert grown(shown, step(0, "Hi", 0.0), finish(1)) == [
        ("<user>", "told", None), (" ", "told", None), ("Hi", "text", 0),
        (" ", "told", None), ("<end>", "told", None),
    ]  # fmt: skip


def test_what_follows_is_shown_once_nothing_more_comes() -> None:
    shown = block("one two three", (0, 3), (3, 7))
    assert "".join(text for text, *_ in grown(shown, step(0, "one", 0.0))) == "one"
    spans = grown(shown, finish(1, reason="cancelled"))
    assert "".join(text for text, *_ in spans) == "one two three"
    assert {kind for _, kind, n in spans if n is None} == {"told"}


def test_tokens_of_one_character_show_it_once() -> None:
    shown = block("a🦦b", (0, 1), (1, 2), (1, 2), (2, 3))
    spans = grown(shown, *(step(n, "", 0.0) for n in range(4)), finish(4))
    assert [(text, n) for text, _, n in spans] == [("a", 0), ("🦦", 1), ("b", 3)]


def test_a_token_without_characters_is_nothing_to_see() -> None:
    shown = block("ab", (0, 1), (1, 1), (1, 2))
    spans = grown(shown, *(step(n, "", 0.0) for n in range(3)), finish(3))
    assert [(text, n) for text, _, n in spans] == [("a", 0), ("b", 2)]


def test_hostile_text_is_made_visible() -> None:
    text = "\x1b[2J\u202eevil"
    spans = grown(block(text, (0, 4)), step(0, text[:4], 0.0), finish(1))
    shown = "".join(text for text, *_ in spans)
    assert shown == "␛[2J‹RLO›evil"


def test_it_grows_as_it_is_read() -> None:
    shown = block("one two", (0, 3), (3, 7))
    shown.lay_out(80)
    for record in (step(0, "one", 0.0), step(1, " two", 0.0)):
        shown.log.add(record)
        shown.grow()
    assert "".join(span.text for line in shown.wrapped.lines for span in line) == "one two"
    assert shown.size == len("one two")
