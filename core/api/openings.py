"""Openings: what each distribution would go on with, as rows and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack, overload

from logit_amp_chat.core.analysis.openings import (
    DEFAULT_ORDER,
    ORDERS,
    OpeningRow,
    Order,
    Probabilities,
    ordered,
    path_probabilities,
    rest,
    rows,
)
from logit_amp_chat.core.api.request import Alphas, Options, Prompt, make_request, whole_numbers
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.number_format import count, signed
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.records import Opening

if TYPE_CHECKING:
    import pandas

COLUMNS = [
    *("alpha", "token", "text", "before", "after", "amplified", "delta", "kl_share"),
    *("path_before", "path_after", "path_amplified", "buried"),
]


def make_openings_request(
    profile: Profile,
    prompt: Prompt,
    path: Iterable[int],
    alpha: Alphas | None,
    **options: Unpack[Options],
) -> OpeningsRequest:
    """The request for the openings after `path`. Raises UsageError."""
    request = make_request(profile, prompt, alpha=alpha, **options)
    if len(request.lanes) > 1:
        raise UsageError("Openings are measured at one α.", "Ask once for every α.")
    asked = OpeningsRequest(
        messages=request.messages,
        alpha=request.lanes[0].alpha,
        path=whole_numbers(path, "path"),
        raw=request.raw,
        template=request.template,
        ends=request.sampling.ends,
    )
    if options.get("top") is None:
        return asked
    if request.top < 1:
        raise UsageError("top: expected a whole number, 1 or more, found 0.")
    return replace(asked, top=request.top)


class Openings(Sequence[OpeningRow]):
    """The tokens that may come next: what training raised, by Δ log p, then what it lowered.

    Tokens with a probability below 0.001 under both before and after come last. Each row has
    probabilities under before, after and amplified, after the path and of the path with it.
    With `rest`, which is all other tokens together, each column adds up to 1.
    """

    def __init__(self, record: Opening) -> None:
        self.record = record
        """Log-probabilities and candidates, KL and entropy (nats), prompt ids."""
        self._rows = tuple(ordered(rows(record), DEFAULT_ORDER))

    @property
    def alpha(self) -> float:
        """The α of `amplified`."""
        return self.record.alpha

    @property
    def path(self) -> tuple[int, ...]:
        """The token ids that come before."""
        return self.record.ids

    @property
    def p_path(self) -> Probabilities:
        """The probability of the path under before, after and amplified; 1 if it is empty."""
        return path_probabilities(self.record)

    @property
    def rest(self) -> OpeningRow:
        """All tokens that are not among the rows, together."""
        return rest(self.record, self._rows)

    def by(self, order: Order) -> list[OpeningRow]:
        """The rows by `delta` (Δ log p, their own order), by `kl_share` or by `amplified`.

        Raises UsageError for another order.
        """
        if order not in ORDERS:
            raise UsageError(f"There is no order {order!r}.", f"There are {', '.join(ORDERS)}.")
        return ordered(self._rows, order)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> OpeningRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[OpeningRow, ...]: ...
    def __getitem__(self, place: int | slice) -> OpeningRow | tuple[OpeningRow, ...]:
        return self._rows[place]

    def to_pandas(self) -> pandas.DataFrame:
        """One line per row, the rest last with no token. Raises UsageError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
        table = pandas.DataFrame(list(self._table()), columns=COLUMNS)
        return table.astype({"token": "Int64"})

    def _table(self) -> Iterator[dict[str, Any]]:
        for row in (*self._rows, self.rest):
            yield {
                "alpha": self.alpha,
                "token": row.token,
                "text": row.text,
                **row.p._asdict(),
                "delta": row.delta,
                "kl_share": row.kl_share,
                **{f"path_{side}": p for side, p in row.path._asdict().items()},
                "buried": row.buried,
            }

    def __repr__(self) -> str:
        begun = "".join(token.text for token in self.record.path)
        after = f" after {begun!r}" if begun else ""
        return f"<openings{after} at α {signed(self.alpha)}: {count(len(self), 'row')}>"
