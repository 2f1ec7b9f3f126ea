"""Hunks as text, like `git diff --word-diff`."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.analysis.hunks import Hunk, Places, log_ratio, stands_out
from logit_amp_chat.core.export import describe, describe_reading
from logit_amp_chat.core.export.describe_reading import title
from logit_amp_chat.core.number_format import in_nats
from logit_amp_chat.core.records import Document, Session, Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles


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
            f"{up} {down} under after than before, by {in_nats(threshold)} or more\n"
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
        place, document = self._places.of(hunk.core[0].index), hunk.document
        plain = place.message is None and not document.place
        where = f"{title(document)}{':' if plain else ', '}{place}"
        return self._styles.header(f"@@ {where} @@ {describe_reading.figures(hunk)} @@")

    def _tokens(self, hunk: Hunk) -> str:
        return "".join(self._token(hunk, step) for step in hunk.steps).rstrip("\n")

    def _token(self, hunk: Hunk, step: Step) -> str:
        notable = stands_out(step, hunk.document)
        piece = describe_reading.piece(step, hunk.text_of(step), notable=notable)
        if not notable:
            return self._quiet(piece.text, log_ratio(step), hunk.document.threshold)
        return self._styles.token(piece.marked, step) + piece.breaks

    def _quiet(self, text: str, ratio: float, threshold: float) -> str:
        """A token around those that stand out; coloured if it is half way there."""
        if abs(ratio) < threshold / 2:
            return text
        return self._styles.raised(text) if ratio > 0 else self._styles.lowered(text)

    def _wanted(self, hunk: Hunk) -> Iterator[str]:
        step = hunk.strongest
        yield f"    {describe_reading.strongest(step, hunk.text_of(step))}"
        for side, best in describe_reading.wanted(step.top):
            yield f"      {self._styles.lane(f'{side:<6}', side)} wanted {best}"
