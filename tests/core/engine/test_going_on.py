"""What a reply is given to go on from a text is what both models have read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from logit_amp_chat.core.chat.continuation import continuation
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event, Lane, Request
from logit_amp_chat.core.reading import Chat, Content, PlainText, ReadBlock, ReadRequest, Score
from logit_amp_chat.core.records import Document, Message, Role, Step
from logit_amp_chat.core.sampling import Sampling

MakeProfile = Callable[..., Profile]
TEXT = "The quick brown fox, it says, lives in the dark wood. " * 6


def said(role: Role, text: str) -> Message:
    return Message(id=f"m-{role}", parent=None, role=role, text=text)


CHAT = (
    said("system", "Be an odd otter."),
    said("user", "Where does the fox live?"),
    said("assistant", "The fox lives in the dark wood, it says."),
)


def read(engine: LocalEngine, content: Content, **options: int) -> tuple[Document, list[Step]]:
    events: Sequence[Event] = list(
        engine.read(ReadRequest(document="d", content=content, **options))  # type: ignore[arg-type]
    )
    (document,) = (event for event in events if isinstance(event, Document))
    blocks = [event for event in events if isinstance(event, ReadBlock)]
    return document, [step for block in blocks for step in block.steps]


def given(
    engine: LocalEngine, content: Content, document: Document, steps: list[Step], at: int
) -> list[Step]:
    """The given tokens of a reply that goes on from the scored token `at`, as it measured them."""
    found = continuation(content, document, steps, at, engine.opened.session)
    request = Request(
        messages=found.messages,
        lanes=(Lane(reply="r", name="amplified", alpha=1.0),),
        sampling=Sampling(temperature=0.0, max_new_tokens=len(found.given) + 1),
        forced=found.given,
        raw=found.raw,
    )
    decoded = [event for event in engine.generate(request) if isinstance(event, Step)]
    return decoded[: len(found.given)]


def check(given: list[Step], read: list[Step]) -> None:
    """The same tokens with the same numbers under before and after."""
    assert [one.token for one in given] == [one.token for one in read]
    for one, other in zip(given, read, strict=True):
        assert one.logp.before == pytest.approx(other.logp.before, abs=1e-4)
        assert one.logp.after == pytest.approx(other.logp.after, abs=1e-4)
        assert one.kl == pytest.approx(other.kl, abs=1e-4)


def test_in_a_text(tiny_pair: MakeProfile) -> None:
    engine = LocalEngine.open(tiny_pair())
    document, steps = read(engine, PlainText(text=TEXT))
    check(given(engine, PlainText(text=TEXT), document, steps, 20), steps[:20])


def test_in_a_later_window_of_a_text(tiny_pair: MakeProfile) -> None:
    """Its own tokens have the numbers that were read; those before had more before them."""
    engine = LocalEngine.open(tiny_pair())
    content = PlainText(text=TEXT)
    document, steps = read(engine, content, window=32, stride=8)
    at = len(steps) - 1
    again = given(engine, content, document, steps, at)
    assert 0 < len(again) < 32
    first = 32 + (document.tokens - 33) // 8 * 8
    measured = [one for one in steps[:at] if one.index + document.tokens - len(steps) >= first]
    assert measured
    check(again[-len(measured) :], measured)


@pytest.mark.parametrize(("score", "role"), [("assistant", 2), ("user", 1), ("system", 0)])
def test_in_a_message_of_a_chat(tiny_pair: MakeProfile, score: Score, role: int) -> None:
    engine = LocalEngine.open(tiny_pair())
    content = Chat(messages=CHAT, score=score)
    document, steps = read(engine, content)
    assert "".join(step.text for step in steps).startswith(CHAT[role].text[:3])
    check(given(engine, content, document, steps, 5), steps[:5])
