"""Hunks as text, like `git diff --word-diff`."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.analysis.hunks import Hunk, Places, log_ratio, stands_out
from logit_amp_chat.core.export import describe
from logit_amp_chat.core.number_format import delta, nats, number, probability
from logit_amp_chat.core.records import Candidate, Document, Session, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles

WANTED = 3
"""Tokens that each side wanted instead, beneath a hunk."""


class DiffText:
    """Writes the hunks of documents; every text of others is made visible."""

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self._document: Document | None = None
        self._places: Places | None = None

    def legend(self, session: Session, threshold: float) -> str:
        """What is compared, and what the marks mean."""
        style = self._styles
        before, after = describe.pair(session)
        up, down = style.raised("{+likelier+}"), style.lowered("[-less likely-]")
        return (
            f"{style.lane('---', 'before')} {visible(before, newlines=False)}\n"
            f"{style.lane('+++', 'after')} {visible(after, newlines=False)}\n"
            f"{up} {down} under after than before, by {number(threshold)} nats or more\n"
        )

    def document(self, document: Document) -> str:
        """The header of a document."""
        self._document, self._places = document, Places(document)
        return "\n" + self._styles.bold(f"diff {title(document)}") + "\n"

    def hunk(self, hunk: Hunk) -> str:
        """A hunk: where it is, its tokens, and what each side wanted instead at the strongest."""
        return "\n".join((self._head(hunk), self._tokens(hunk), *self._wanted(hunk))) + "\n"

    def _head(self, hunk: Hunk) -> str:
        assert self._places is not None
        place, document = self._places.of(hunk.first), hunk.document
        plain = place.message is None and not document.place
        where = f"{title(document)}{':' if plain else ', '}{place}"
        figures = f"log-ratio {delta(hunk.log_ratio, 0)} · mean KL {nats(hunk.kl)}"
        return self._styles.header(f"@@ {where} @@ {figures} @@")

    def _tokens(self, hunk: Hunk) -> str:
        return "".join(self._token(hunk, step) for step in hunk.steps).rstrip("\n")

    def _token(self, hunk: Hunk, step: Step) -> str:
        text = hunk.text_of(step)
        if not stands_out(step, hunk.document):
            return self._quiet(visible(text), log_ratio(step), hunk.document.threshold)
        shown = visible(text, newlines=False) or visible(step.text, newlines=False)
        up = log_ratio(step) > 0
        marked = f"{{+{shown}+}}" if up else f"[-{shown}-]"
        breaks = "\n" * text.count("\n")
        return self._styles.token(marked, step) + breaks

    def _quiet(self, text: str, ratio: float, threshold: float) -> str:
        """A token around those that stand out; coloured if it is half way there."""
        if abs(ratio) < threshold / 2:
            return text
        return self._styles.raised(text) if ratio > 0 else self._styles.lowered(text)

    def _wanted(self, hunk: Hunk) -> Iterator[str]:
        step, style = hunk.strongest, self._styles
        p = step.logp
        token = _quoted(hunk.text_of(step) or step.text)
        chances = f"p {probability(p.before).strip()} → {probability(p.after).strip()}"
        yield f"    {token} {delta(log_ratio(step), 0)} nats, {chances}"
        for name in ("before", "after"):
            best = sorted(step.top, key=lambda one: -getattr(one, name))[:WANTED]
            wanted = "  ".join(_candidate(one, name) for one in best)
            yield f"      {style.lane(f'{name:<6}', name)} wanted {wanted}"


def _candidate(one: Candidate, side: str) -> str:
    return f"{_quoted(one.text)} {probability(getattr(one, side)).strip()}"


def _quoted(text: str) -> str:
    return f"“{visible(text, newlines=False)}”"


def title(document: Document) -> str:
    """A document's file, and which of its texts it is."""
    parts = filter(None, (document.source, document.place))
    return visible(" ".join(parts), newlines=False) or "text"
