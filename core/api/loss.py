"""The loss of texts against α: as rows, as a table, as a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from logit_amp_chat.core.analysis.loss_curve import LossRow, minimum
from logit_amp_chat.core.analysis.palette import LANE_COLOURS
from logit_amp_chat.core.api.request import Alphas, Prompt, check_texts, content_of, finite_alphas
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.loss import ALPHAS, Loss, LossSettings
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.number_format import count, finite, signed

if TYPE_CHECKING:
    import pandas

COLUMNS = ["alpha", "loss", "error", "perplexity", "difference", "difference_error"]

FIRST_TOKENS = {
    "left out": "The first token of plain texts is left out, as asked.",
    "unscored": "The first token of plain texts cannot be scored: the tokenizer has no beginning of"
    " text.",
}
"""What becomes of the first token of a plain text, unless it is scored."""


class LossCurve:
    """The loss at several αs, over the tokens of texts: `rows`, a LossRow for each, α rising.

    A loss is in nats per token, of the unmasked distribution at temperature 1; its standard
    error is over texts. `documents` have the losses of each text, summed over its tokens, at
    `alphas` (the rows' and 0). `first_token` says whether plain texts' first tokens are
    `scored`, `left out`, or `unscored`. `complete` is False where the reading was interrupted.
    """

    def __init__(self, loss: Loss) -> None:
        """Raises LogitAmpError where the curve is not convex, UsageError where it is empty."""
        self.rows: tuple[LossRow, ...] = tuple(loss.rows())
        self.alphas = loss.alphas
        self.documents = tuple(loss.documents)
        self.tokens = loss.total.tokens
        self.one_sided = loss.total.one_sided
        """Positions where one side rules out a token that the other allows."""
        self.first_token = "scored" if loss.settings.first_token else "left out"
        if loss.unscored_first:
            self.first_token = "unscored"
        self.complete = not loss.cancelled

    @property
    def minimum(self) -> LossRow | None:
        """The row with the smallest loss; None where all are infinite."""
        return minimum(self.rows)

    def at(self, alpha: float) -> LossRow:
        """The row of an α. Raises UsageError where it was not measured."""
        for row in self.rows:
            if row.alpha == alpha:
                return row
        found = ", ".join(signed(row.alpha) for row in self.rows)
        raise UsageError(f"The loss at α {signed(alpha)} was not measured.", f"There are {found}.")

    def figures(self) -> dict[str, Any]:
        """Everything as plain values, for JSON; what is not a finite number is None."""
        best = self.minimum
        return {
            "tokens": self.tokens,
            "documents": len(self.documents),
            "first_token": self.first_token,
            "complete": self.complete,
            "one_sided": self.one_sided,
            "minimum": None if best is None else best.alpha,
            "rows": [
                {name: finite(value) for name, value in line.items()} for line in self._table()
            ],
            "texts": [
                {
                    "file": one.source,
                    "place": one.place,
                    "tokens": one.tokens,
                    "loss": {
                        repr(alpha): finite(total / one.tokens)
                        for alpha, total in zip(self.alphas, one.losses, strict=True)
                    },
                }
                for one in self.documents
            ],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line per α. Raises UsageError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
        return pandas.DataFrame(self._table(), columns=COLUMNS)

    def plot(self, ax: Any = None) -> Any:
        """Draw the curve, with a band of one standard error, into matplotlib's `ax` (None: a new
        one); returns it. Raises UsageError without matplotlib.
        """
        if ax is None:
            need_matplotlib()
            from matplotlib import pyplot

            _, ax = pyplot.subplots()
        shown = [row for row in self.rows if math.isfinite(row.loss)]
        alphas, losses = [row.alpha for row in shown], [row.loss for row in shown]
        _, colour = LANE_COLOURS["amplified"]
        for alpha, name in ((-1.0, "before"), (0.0, "after")):
            ax.axvline(alpha, color=LANE_COLOURS[name][1], linewidth=0.8, linestyle=":", label=name)
        ax.plot(alphas, losses, color=colour, marker=".", label="amplified")
        if any(math.isfinite(row.error) for row in shown):
            low, high = ([row.loss + s * row.error for row in shown] for s in (-1, 1))
            ax.fill_between(alphas, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.set_xlabel("α")
        ax.set_ylabel("loss (nats per token)")
        ax.set_title(f"{count(self.tokens, 'token')} of {count(len(self.documents), 'text')}")
        ax.legend()
        return ax

    def _table(self) -> list[dict[str, float]]:
        return [{name: getattr(row, name) for name in COLUMNS} for row in self.rows]

    def __repr__(self) -> str:
        best = self.minimum
        where = f", least at α {signed(best.alpha)}" if best else ""
        return f"<loss at {len(self.rows)} αs of {count(self.tokens, 'token')}{where}>"


def need_matplotlib() -> None:
    """Raises UsageError where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401 - whether it can be imported
    except ImportError as error:
        raise UsageError(
            "matplotlib is not installed.", "Run: pip install 'logit-amp-chat[plot]'"
        ) from error


def loss_settings(
    alpha: Alphas | None = None,
    *,
    first_token: bool = True,
    window: int | None = None,
    stride: int | None = None,
) -> LossSettings:
    """The settings of a caller's arguments. Raises UsageError."""
    alphas = ALPHAS if alpha is None else tuple(finite_alphas(alpha))
    return LossSettings(alphas=alphas, first_token=first_token, window=window, stride=stride)


def sources_of(texts: str | Iterable[Prompt]) -> list[Source]:
    """One text, or several texts and lists of messages, as sources. Raises UsageError."""
    found = [texts] if isinstance(texts, str) else list(texts)
    check_texts(texts, found)
    return [
        Source(name="", place=f"text {number}", line=1, content=content_of(one))
        for number, one in enumerate(found, 1)
    ]
