"""A text that was read under both models: hunks, figures, a table, a coloured text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logit_amp_chat.core.analysis.hunks import Hunk
from logit_amp_chat.core.analysis.text_stats import TextStats
from logit_amp_chat.core.analysis.text_table import TokenRows, columns
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.diff import Diff, DocumentDiff
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.export.describe_reading import title
from logit_amp_chat.core.number_format import count, delta, in_nats, nats
from logit_amp_chat.core.reading import ReadBlock
from logit_amp_chat.core.records import Document, Finish, Record, Session, Step
from logit_amp_chat.core.transcripts.jsonl import to_line

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TextDiff:
    """One text, read once under both models; a notebook shows it coloured by Δ log p.

    `document` is the text with the characters of every scored token, `steps` are the scored
    tokens, a record each, `hunks` are those that stand out with the tokens around, `stats` the
    figures of the whole text. `alphas` are the αs that were asked for: `further` has the
    log-probabilities of every token at all of them but the first, which is that of the steps.
    """

    session: Session
    document: Document
    steps: tuple[Step, ...]
    hunks: tuple[Hunk, ...]
    stats: TextStats
    finish: Finish
    alphas: tuple[float, ...] = ()
    further: tuple[tuple[float, ...], ...] = ()

    @property
    def text(self) -> str:
        """The text; of a chat, what its template makes of it."""
        return self.document.text

    @property
    def records(self) -> tuple[Record, ...]:
        """The transcript of the text: session, document, steps, finish."""
        return (self.session, self.document, *self.steps, self.finish)

    def save(self, path: str | Path) -> None:
        """Write what `diff --jsonl` prints, which `export` reads.

        It has log-probabilities at the first of several αs. Raises TranscriptError if it cannot
        be written.
        """
        lines = (to_line(record) + "\n" for record in self.records)
        write_atomically(Path(path), "".join(lines))

    def to_pandas(self) -> pandas.DataFrame:
        """One row per scored token. Raises UsageError if pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
        rows = TokenRows(self.document, self.alphas).of(self.steps, self.further)
        table = pandas.DataFrame(list(rows), columns=columns(self.alphas))
        return table.astype({"message": "Int64"})

    def __repr__(self) -> str:
        found = count(len(self.hunks), "hunk")
        return (
            f"<diff of {title(self.document)}: {count(len(self.steps), 'token')},"
            f" log-ratio {delta(self.stats.log_ratio, 0)}, mean KL {nats(self.stats.mean_kl)},"
            f" {found} at {in_nats(self.document.threshold)}>"
        )

    def _repr_html_(self) -> str:
        from logit_amp_chat.core.export.notebook import text_fragment

        return text_fragment(self.document, self.steps, repr(self).strip("<>"))


def text_diffs(diff: Diff, *, choose_threshold: bool) -> Iterator[TextDiff]:
    """Every text of a diff once it was read; `diff.refused` are those that could not be."""
    if choose_threshold:
        diff.choose_threshold()
    for event in diff:
        match event:
            case Document():
                steps, further, hunks = list[Step](), list[tuple[float, ...]](), list[Hunk]()
            case ReadBlock():
                steps += event.steps
                further += event.further
            case Hunk():
                hunks.append(event)
            case DocumentDiff(document=document, stats=stats, finish=finish):
                yield TextDiff(
                    session=diff.session,
                    document=document,
                    steps=tuple(steps),
                    hunks=tuple(hunks),
                    stats=stats,
                    finish=finish,
                    alphas=diff.settings.alphas,
                    further=tuple(further),
                )
