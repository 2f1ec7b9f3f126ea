"""Texts that were read under the stages of a chain: which training made each token likelier."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from logit_amp_chat.core.analysis import stage_table
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, BlameHunk, StageStats
from logit_amp_chat.core.api.chosen_profile import adjusted, chosen_profile
from logit_amp_chat.core.api.diff_request import (
    Text,
    TextOptions,
    blame_settings,
    file_sources,
    listed_texts,
    text_source,
)
from logit_amp_chat.core.api.interrupts import interruptible
from logit_amp_chat.core.api.sweep import data_frame
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import between
from logit_amp_chat.core.experiments.blame import Blame, DocumentBlame
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.export.blame_page import blame_fragment, blame_page, likeliest
from logit_amp_chat.core.export.describe_reading import cut_short, title
from logit_amp_chat.core.number_format import count, delta_sum, in_nats
from logit_amp_chat.core.protocol import Loading, Noticed
from logit_amp_chat.core.records import Document

if TYPE_CHECKING:
    import pandas

STATS = [
    *("source", "place", "stage", "tokens", "logp", "log_ratio", "mean_kl"),
    *("raised", "lowered", "blamed", "share"),
]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TextBlame:
    """One text, read once under every stage of a chain.

    `tokens` are those that are scored, each with its log-probabilities by stage; `hunks` are
    those that stand out with the tokens around, `stats` the figures of the text. `names` are
    the ids that a stage found likeliest where a token stands out, as they are written.
    """

    stages: tuple[str, ...]
    document: Document
    tokens: tuple[BlamedToken, ...]
    hunks: tuple[BlameHunk, ...]
    stats: StageStats
    names: Mapping[int, str]

    @property
    def text(self) -> str:
        """The text; of a chat, what its template makes of it."""
        return self.document.text

    @property
    def complete(self) -> bool:
        """Whether it was read to its end; what was not is in no figures but its own."""
        return len(self.tokens) == len(self.document.offsets)

    def stage_of(self, token: BlamedToken) -> str:
        """The stage that did most of what the chain did to a token."""
        return self.stages[token.blamed]

    def to_pandas(self) -> pandas.DataFrame:
        """One row per scored token. Raises UsageError if pandas is not installed."""
        return _token_table([self], self.stages)

    def __repr__(self) -> str:
        name = title(self.document) + cut_short(self.document, len(self.tokens))
        return f"<blame of {name}: {_in_words(self.stats)}>"

    def _repr_html_(self) -> str:
        about = repr(self).strip("<>")
        return blame_fragment(self.stages, self.document, self.tokens, self.names, about)


class ChainBlame:
    """Texts that were read under the stages of a chain; iterate it for each.

    `stats` are the figures of all that are complete, `threshold` (nats) is where a token stands
    out. It is not `complete` where reading was interrupted.
    """

    def __init__(self, blame: Blame, found: Iterable[DocumentBlame]) -> None:
        """What was `found`, while the engine that reads is still open."""
        self.stages = blame.stages
        self.threshold = blame.threshold
        self.stats = blame.total
        self.complete = not blame.cancelled
        documents = list(found)
        names = blame.names(likeliest((one.document, one.tokens) for one in documents))
        self.texts = tuple(
            TextBlame(
                stages=blame.stages,
                document=one.document,
                tokens=one.tokens,
                hunks=one.hunks,
                stats=one.stats,
                names=names,
            )
            for one in documents
        )
        self._names = names

    def __iter__(self) -> Iterator[TextBlame]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: int) -> TextBlame:
        return self.texts[number]

    def to_pandas(self) -> pandas.DataFrame:
        """One row per scored token of all texts. Raises UsageError without pandas."""
        return _token_table(self.texts, self.stages)

    def stats_to_pandas(self) -> pandas.DataFrame:
        """A line for each text that is complete, and stage. Raises UsageError without pandas."""
        whole = (one for one in self.texts if one.complete)
        return data_frame([row for one in whole for row in _stats_rows(one)], STATS)

    def save_html(self, path: str | Path) -> None:
        """Write the page that `diff --blame --html` prints.

        Raises TranscriptError if it cannot be written.
        """
        documents = [(one.document, one.tokens) for one in self.texts]
        page = blame_page(self.stages, documents, self.threshold, self.stats, self._names)
        write_atomically(Path(path), page)

    def __repr__(self) -> str:
        return f"<blame of {count(len(self), 'text')}: {_in_words(self.stats)}>"

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self.texts)


def blame(
    profile: str | Path | Profile,
    texts: Text | Iterable[Text],
    *,
    first: str | None = None,
    last: str | None = None,
    device: str | None = None,
    quantization: str | None = None,
    report: Callable[[Loading], None] = lambda _: None,
    **options: Unpack[TextOptions],
) -> ChainBlame:
    """Read texts once under every stage of a profile: which stage made each token likelier?

    Nothing is generated. Texts are those of `OpenPair.diff`: one or several; of a Path all that
    are in the file or folder. The stages are those from `first` to `last` (None: the ends), of
    which as many are in memory at once as there is room for; the two sides of a pair are stages
    too. `TextOptions` lists the other arguments. An interrupt ends it and returns the texts
    that all stages have read, the last one up to where that was.

    Raises ProfileError, PairError, UsageError, EngineError, and LogitAmpError where the only
    text cannot be read; of several that is a warning.
    """
    from logit_amp_chat.core.engine.stage_engine import StageEngine

    settings, given = blame_settings(options), listed_texts(texts)
    chosen = chosen_profile(profile, None, None, None, report)
    chosen = adjusted(chosen, {"device": device, "quantization": quantization})
    stages = between(chosen, first, last)
    with StageEngine.open(chosen, report) as engine:
        sources = list(_sources(given, options, engine.vocabulary))
        for notice in engine.notices:
            warnings.warn(notice, stacklevel=2)
        held = engine.held(stages)
        reading = Blame(engine, stages, held, sources, settings)
        with interruptible(reading.stop):
            found = list(_read(reading))
        if not found:
            raise reading.refused[0].error if reading.refused else KeyboardInterrupt
        return ChainBlame(reading, found)


def _sources(
    texts: list[Text], options: TextOptions, vocabulary: str | None
) -> Iterator[Source | Refused]:
    for number, text in enumerate(texts, 1):
        if isinstance(text, Path):
            yield from file_sources((text,), options, vocabulary)
            continue
        source = text_source(text, options, vocabulary)
        yield replace(source, place=source.place or f"text {number}" if len(texts) > 1 else "")


def _read(blame: Blame) -> Iterator[DocumentBlame]:
    """The texts; what is to be said of them, or of those that cannot be read, is a warning."""
    for event in blame:
        match event:
            case DocumentBlame():
                yield event
            case Refused(name, place, error):
                warnings.warn(f"Not read: {f'{name} {place}'.strip()}: {error}", stacklevel=4)
            case Noticed(sentence):
                warnings.warn(sentence, stacklevel=4)
            case _:
                pass


def _token_table(texts: Iterable[TextBlame], stages: tuple[str, ...]) -> pandas.DataFrame:
    names = stage_table.columns(stages)
    rows = (row for one in texts for row in stage_table.rows(stages, one.document, one.tokens))
    table = data_frame([dict(zip(names, row, strict=True)) for row in rows], names)
    kl = {f"kl_{name}": "float64" for name in stages[1:]}
    return table.astype({"message": "Int64"} | kl)


def _stats_rows(one: TextBlame) -> Iterator[dict[str, Any]]:
    for n, name in enumerate(one.stages):
        yield {
            "source": one.document.source,
            "place": one.document.place,
            "stage": name,
            "tokens": one.stats.tokens,
            "logp": one.stats.logp[n],
            "log_ratio": one.stats.change(n),
            "mean_kl": one.stats.mean_kl(n),
            "raised": one.stats.raised[n],
            "lowered": one.stats.lowered[n],
            "blamed": one.stats.blamed[n],
            "share": one.stats.share(n),
        }


def _in_words(stats: StageStats) -> str:
    did = ", ".join(
        f"{name} {delta_sum(stats.change(n))} nats, most of {stats.blamed[n]:,}"
        for n, name in enumerate(stats.stages[1:], 1)
    )
    return f"{count(stats.tokens, 'token')}, {stats.notable:,} at {in_nats(stats.threshold)}: {did}"
