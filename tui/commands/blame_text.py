"""Blamed hunks as text: the stage that did most of it stands beside its tokens."""

from __future__ import annotations

from collections.abc import Iterator

from logit_amp_chat.core.analysis.hunks import Place, Places
from logit_amp_chat.core.analysis.stage_blame import MARKS, BlamedToken, BlameHunk
from logit_amp_chat.core.experiments.blame import Blame, DocumentBlame
from logit_amp_chat.core.export.describe_reading import cut_short, quoted, title
from logit_amp_chat.core.number_format import delta, in_nats, probability
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.styles import Styles


class BlameText:
    """Writes the hunks of documents; every text of others is made visible."""

    def __init__(self, blame: Blame, styles: Styles) -> None:
        self._blame = blame
        self._styles = styles
        self._width = max(map(len, blame.stages))
        self._begun = False
        self._found: DocumentBlame | None = None
        self._places: Places | None = None

    def document(self, found: DocumentBlame) -> str:
        """The header of a document; what the marks mean before the first one."""
        begun, self._begun = self._begun, True
        legend = "" if begun else self._legend()
        if found is self._found:
            return legend
        self._found, self._places = found, Places(found.document)
        name = title(found.document) + cut_short(found.document, len(found.tokens))
        return f"{legend}\n{self._styles.bold(f'blame {name}')}\n"

    def _legend(self) -> str:
        style, stages = self._styles, " → ".join(self._blame.stages)
        marks = f"{style.raised('{+likelier+}')} {style.lowered('[-less likely-]')}"
        return (
            f"{stages}, each beside what it did most of\n"
            f"{marks} {{~moved and moved back~}}, by {in_nats(self._blame.threshold)} or more\n"
        )

    def hunk(self, hunk: BlameHunk) -> str:
        """A hunk: where it is, its tokens by stage, and the chain of its strongest token."""
        return "\n".join((self._head(hunk), *self._runs(hunk), *self._chain(hunk))) + "\n"

    def _head(self, hunk: BlameHunk) -> str:
        assert self._places is not None
        place, document = self._places.of(hunk.notable[0].index), hunk.document
        figures = self._changes(hunk.changes())
        return self._styles.header(f"@@ {self._where(place)} @@ {figures} @@") if document else ""

    def _where(self, place: Place) -> str:
        assert self._found is not None
        document = self._found.document
        plain = place.message is None and not document.place
        return f"{title(document)}{':' if plain else ', '}{place}"

    def _changes(self, changes: tuple[float, ...]) -> str:
        named = zip(self._blame.stages[1:], changes, strict=True)
        return " · ".join(f"{name} {delta(change, 0)}" for name, change in named)

    def _runs(self, hunk: BlameHunk) -> Iterator[str]:
        for stage, run in hunk.runs():
            name = "" if stage is None else self._blame.stages[stage]
            text = "".join(self._token(hunk, one) for one in run).strip("\n")
            lines = text.split("\n")
            yield f"{self._styles.header(f'{name:>{self._width}}')} │ {lines[0]}"
            for line in lines[1:]:
                yield f"{'':>{self._width}} │ {line}"

    def _token(self, hunk: BlameHunk, one: BlamedToken) -> str:
        text = hunk.text_of(one)
        if one.size < hunk.threshold:
            return visible(text)
        shown = visible(text, newlines=False)
        breaks = "\n" * text.count("\n")
        before, behind = MARKS[one.kind]
        mark = f"{before}{shown}{behind}"
        look = {"up": self._styles.raised, "down": self._styles.lowered}.get(one.kind, str)
        return look(mark) + breaks

    def _chain(self, hunk: BlameHunk) -> Iterator[str]:
        """The strongest token under each stage, and what the stage found likeliest."""
        one = hunk.strongest
        names = self._blame.names([token for token, _ in one.best])
        yield f"    {quoted(hunk.text_of(one))} {delta(one.total, 0)} nats"
        for n, (stage, logp, best) in enumerate(
            zip(self._blame.stages, one.logp, one.best, strict=True)
        ):
            change = delta(one.changes[n - 1], 0) if n else ""
            likeliest = "" if best[0] == one.token else f"  wanted {quoted(names[best[0]])}"
            chance = f"  {probability(best[1]).strip()}" if likeliest else ""
            yield (
                f"      {stage:<{self._width}}  p {probability(logp).strip():>8}"
                f"  {change:>6}{likeliest}{chance}"
            ).rstrip()
