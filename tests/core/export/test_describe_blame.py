"""Documents show which stage of a chain did most of a reply's tokens."""

from __future__ import annotations

from html import unescape

import pytest

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.export.html import to_html
from logit_amp_chat.core.export.markdown import to_document
from logit_amp_chat.core.records import Record
from tests.core import samples

HOSTILE = "</span><script>alert(1)</script>\x1b[31m"


def records(text: str = "owl", chain: tuple[str, ...] = ("base", "sft", "dpo")) -> list[Record]:
    """Three tokens: one that sft gave, one that dpo took, one that came and went."""
    return [
        samples.session(),
        samples.message(),
        samples.reply(),
        *(samples.step(n, said) for n, said in enumerate((text, " sees", " all"))),
        samples.finish(tokens=3),
        Blamed(
            reply="r-1",
            chain=chain,
            log_probs=((-9.0, -1.0, -0.5), (-1.0, -1.5, -6.0), (-6.0, -1.0, -6.0)),
            likeliest=(
                ((5, -0.1), (5, -0.1), (5, -0.1)),
                ((6, -0.1), (6, -0.1), (5, -0.3)),
                ((7, -0.1), (7, -0.1), (99, -0.4)),
            ),
            divergences=((2.0, None), (0.5, None), (0.5, None)),
        ),
    ]


def blame_of(text: str) -> str:
    return text[text.index("By stage") :]


@pytest.mark.parametrize("markdown", [False, True])
def test_a_document_has_the_stages_and_what_they_did(markdown: bool) -> None:
    text = blame_of(to_document(records(), markdown=markdown)).replace("\\", "")
    assert text.startswith("By stage: base → sft → dpo; 3 tokens, 3 moved by ")
    lines = text.splitlines()
    row = next(line for line in lines if "not measured" in line)
    assert [word for word in row.replace("|", " ").split() if word] == [
        *("dpo", "−9.00", "not", "measured", "0", "2", "1")
    ], "+0.5 − 4.5 − 5.0 nats; KL was not known everywhere"
    assert " sft │ {+owl+}" in text
    assert " dpo │ [- sees-]" in text
    assert " sft │ {~ all~}" in text


def test_the_strongest_say_what_was_wanted_by_its_text_or_id() -> None:
    text = blame_of(to_document(records(), markdown=False))
    row = next(line for line in text.splitlines() if line.startswith("“ sees”"))
    assert row.split()[-2:] == ["“owl”", "0.741"]
    assert "token 99 0.67" in text


def test_a_page_folds_it_below_the_reply() -> None:
    page = to_html(records())
    found = page[page.index('<details class="blame">') :]
    assert "<summary>By stage: base → sft → dpo; 3 tokens" in found
    assert '<sub>sft</sub><span class="up"' in found
    assert '<sub>dpo</sub><span class="down"' in found
    assert 'class="undone"' in found
    assert "sft: p 0.368  +8.00" in found
    assert ".blamed .up" in page, "the style is there"


def test_a_reply_that_was_not_read_under_its_stages_has_none() -> None:
    without = [one for one in records() if not isinstance(one, Blamed)]
    assert "By stage" not in to_document(without, markdown=True)
    assert '<details class="blame">' not in to_html(without)


def test_text_of_others_is_no_markup() -> None:
    hostile = records(HOSTILE, (HOSTILE, "sft", "dpo"))
    page = to_html(hostile)
    assert "<script>alert" not in page
    assert "\x1b" not in unescape(page)
    text = blame_of(to_document(hostile, markdown=True))
    assert "\x1b" not in text
    outside = "".join(text.split("```")[::2])
    assert "<script>" not in outside.replace("\\<", "").replace("\\>", "")
