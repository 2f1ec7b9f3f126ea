"""Blame from Python: which stage of a chain made each token of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from logit_amp_chat.core.analysis.blame_table import columns, token_rows
from logit_amp_chat.core.analysis.stage_blame import BlamedToken, BlameHunk, StageStats
from logit_amp_chat.core.api.chosen_profile import chosen_profile
from logit_amp_chat.core.api.diff_request import DiffOptions, Text, diff_settings, text_source
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.blame import Blame, BlameSettings, DocumentBlame
from logit_amp_chat.core.experiments.sources import Refused
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.export.blame_page import blame_page
from logit_amp_chat.core.number_format import count, delta, in_nats
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.reading import Score
from logit_amp_chat.core.records import Document, SideInfo

if TYPE_CHECKING:
    import pandas


class BlameOptions(TypedDict, total=False):
    """How texts are read; what is missing or None is as in the command `diff --blame`.

    Of a chat the tokens of `score` count: assistant (usually), user, system or all. A token
    stands out where a stage or the chain moved it by `threshold` nats (usually what one place in
    a hundred tokens reaches, 1 at least); with `stage` only where that one did most of it. A
    hunk has `context` tokens around it. Longer texts are read in windows of `window` tokens
    that score `stride` each.
    """

    score: Score | None
    threshold: float | None
    stage: str | None
    context: int | None
    window: int | None
    stride: int | None


@dataclass(frozen=True)
class BlamedText:
    """One text under all stages: its tokens, hunks, and sums by stage."""

    stages: tuple[str, ...]
    document: Document
    tokens: tuple[BlamedToken, ...]
    hunks: tuple[BlameHunk, ...]
    stats: StageStats

    @property
    def text(self) -> str:
        """The text; of a chat, what its template makes of it."""
        return self.document.text

    def __repr__(self) -> str:
        changes = zip(self.stages[1:], range(1, len(self.stages)), strict=True)
        said = ", ".join(f"{name} {delta(self.stats.change(n), 0)}" for name, n in changes)
        threshold = in_nats(self.document.threshold)
        return (
            f"<blame of {count(len(self.tokens), 'token')}: {said} nats,"
            f" {count(len(self.hunks), 'hunk')} at {threshold}>"
        )


class ChainBlame(Sequence[BlamedText]):
    """Texts that were read under all stages of a chain, in their order.

    `infos` are the stages as precisely as they can be named, `total` the sums of all texts.
    """

    def __init__(
        self, texts: Sequence[BlamedText], blame: Blame, infos: dict[str, SideInfo]
    ) -> None:
        self._texts = tuple(texts)
        self.stages = blame.stages
        self.threshold = blame.threshold
        self.total = blame.total
        self.infos = infos
        self.complete = not blame.cancelled
        self._names = blame.names([t for one in texts for k in one.tokens for t, _ in k.best])

    def __getitem__(self, index: Any) -> Any:
        return self._texts[index]

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[BlamedText]:
        return iter(self._texts)

    def to_pandas(self) -> pandas.DataFrame:
        """One row per scored token of all texts. Raises UsageError if pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
        rows = [
            row
            for text in self._texts
            for row in token_rows(self.stages, text.document, text.tokens, self.threshold)
        ]
        table = pandas.DataFrame(rows, columns=columns(self.stages))
        return table.astype({"message": "Int64"})

    def save_html(self, path: str | Path) -> None:
        """Write the page of `diff --blame --html`. Raises TranscriptError if it cannot be."""
        documents = [(text.document, text.tokens) for text in self._texts]
        write_atomically(
            Path(path),
            blame_page(self.stages, documents, self.threshold, self.total, lambda ids: self._names),
        )

    def __repr__(self) -> str:
        texts = count(len(self), "text")
        return f"<blame of {texts} over {' → '.join(self.stages)}>"


def blame(
    profile: str | Path | Profile,
    texts: Text | Sequence[Text],
    *,
    report: Callable[[Loading], None] = lambda _: None,
    **options: Unpack[BlameOptions],
) -> ChainBlame:
    """Read texts under every stage of a chain, each loaded and read once.

    As many stages are in memory at once as fit. `texts` are those that `OpenPair.diff` takes, or
    a list of them; a chat is a list of messages. `BlameOptions` lists the other arguments.

    Raises ProfileError, PairError, UsageError, and LogitAmpError for what cannot be read.
    """
    from logit_amp_chat.core.engine.stage_engine import StageEngine

    read = {name: value for name, value in options.items() if name != "stage"}
    chosen = chosen_profile(profile, None, None, None, report)
    settings = diff_settings("mix", DiffOptions(**read))  # type: ignore[typeddict-item]
    with StageEngine.open(chosen, report) as engine:
        given: Sequence[Any] = _several(texts)
        sources = [text_source(one, DiffOptions(**read), engine.vocabulary) for one in given]  # type: ignore[typeddict-item]
        wanted = BlameSettings(
            threshold=None if options.get("threshold") is None else settings.threshold,
            context=settings.context,
            stage=options.get("stage"),
            window=settings.window,
            stride=settings.stride,
        )
        found = Blame(engine, engine.stages, engine.held(), sources, wanted)
        return ChainBlame([*_read(found)], found, dict(engine.infos))


def _read(found: Blame) -> Iterator[BlamedText]:
    for event in found:
        if isinstance(event, Refused):
            raise event.error
        if isinstance(event, DocumentBlame):
            yield BlamedText(found.stages, event.document, event.tokens, event.hunks, event.stats)


def _several(texts: Any) -> Sequence[Any]:
    """The texts of a list; a list of messages is one chat."""
    if not isinstance(texts, list | tuple) or not texts:
        return [texts]
    is_chat = isinstance(texts[0], dict) or hasattr(texts[0], "role")
    return [texts] if is_chat else texts
