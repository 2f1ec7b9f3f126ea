"""Replies: by position and by α, as text, as a table, as a coloured page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.lanes import stage_at
from logit_amp_chat.core.number_format import signed
from logit_amp_chat.core.records import Finish, Record, Reply, Step
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

if TYPE_CHECKING:
    import pandas

SIDES = ("before", "after", "amplified")
COLUMNS = [
    *("alpha", "seed", "lane", "index", "token", "text", "special"),
    *(f"logp_{side}" for side in SIDES),
    *(f"rank_{side}" for side in SIDES),
    *("kl", "kl_amplified", "entropy"),
]


class PairReply:
    """One reply: its text, and a record for every token.

    A notebook shows its tokens as the exported page does, coloured by KL(after‖before).
    """

    def __init__(self, log: ReplyLog) -> None:
        self._log = log

    @property
    def text(self) -> str:
        """What the reply says, without thinking and special tokens; tool calls are in it."""
        return self._log.text

    @property
    def thinking(self) -> str:
        """What was thought before the answer; "" for nothing."""
        return self._log.thinking

    @property
    def steps(self) -> Sequence[Step]:
        """One record per token: log-probabilities, ranks, KL, entropy (nats), candidates."""
        return self._log.steps

    @property
    def record(self) -> Reply:
        """How it was decoded: lane, α, seed, sampling, prompt ids."""
        return self._log.reply

    @property
    def finish(self) -> Finish | None:
        """Why it ended, after how many tokens and seconds, with which error if any."""
        return self._log.finish

    @property
    def alpha(self) -> float:
        """The α it was decoded at."""
        return self.record.alpha

    @property
    def stage(self) -> str | None:
        """The stage of a chain that replied; None for a lane of the pair that is open."""
        stages = self.record.stages
        return None if stages is None else stage_at(stages, self.alpha)

    @property
    def seed(self) -> int:
        """The seed of its noise."""
        return self.record.seed

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat record per token, as in `to_pandas`; candidates are left out."""
        for step in self.steps:
            row: dict[str, Any] = {
                "alpha": step.alpha,
                "seed": self.seed,
                "lane": self.record.lane,
                "index": step.index,
                "token": step.token,
                "text": step.text,
                "special": step.special,
            }
            row |= {f"logp_{side}": getattr(step.logp, side) for side in SIDES}
            row |= {f"rank_{side}": getattr(step.rank, side) for side in SIDES}
            yield row | {
                "kl": step.kl,
                "kl_amplified": step.kl_amplified,
                "entropy": step.entropy,
            }

    def to_pandas(self) -> pandas.DataFrame:
        """One row per token. Raises UsageError if pandas is not installed."""
        return Replies([self]).to_pandas()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        reason = self.finish.reason if self.finish else "running"
        where = f"of {self.stage}" if self.stage else f"at α {signed(self.alpha)}"
        return (
            f"<reply {where}, seed {self.seed}:"
            f" {len(self.steps)} tokens, {reason}: {self.text[:60]!r}>"
        )

    def _repr_html_(self) -> str:
        return Replies([self])._repr_html_()


class Replies(Sequence[PairReply]):
    """The replies of one request, in the order of their αs and seeds."""

    def __init__(self, replies: Sequence[PairReply], records: Sequence[Record] = ()) -> None:
        self._replies = tuple(replies)
        self.records = tuple(records)
        """The transcript of this request: session, messages, replies, steps."""

    def __len__(self) -> int:
        return len(self._replies)

    @overload
    def __getitem__(self, place: int) -> PairReply: ...
    @overload
    def __getitem__(self, place: slice) -> Replies: ...
    def __getitem__(self, place: int | slice) -> PairReply | Replies:
        if isinstance(place, slice):
            return self._part(self._replies[place])
        return self._replies[place]

    def _part(self, replies: Sequence[PairReply]) -> Replies:
        """Some of the replies, with the records that are theirs."""
        names = {reply.record.id for reply in replies}
        records = [
            record
            for record in self.records
            if (record.id if isinstance(record, Reply) else getattr(record, "reply", None))
            in (None, *names)
        ]
        return Replies(replies, records)

    def at(self, alpha: float, seed: int | None = None) -> PairReply:
        """The first reply at this α, with this seed if one is given.

        Raises UsageError if there is none, and where several stages of a chain replied at it.
        """
        if not isinstance(alpha, Real):
            raise UsageError(f"alpha: expected a number, found {alpha!r}.")
        found = [one for one in self._replies if one.alpha == alpha and seed in (None, one.seed)]
        stages = dict.fromkeys(one.record.lane for one in found)
        if len(stages) > 1:
            raise UsageError(
                f"The stages {', '.join(stages)} all replied at α {signed(alpha)}.",
                "Choose one with of(stage).",
            )
        if found:
            return found[0]
        if seed is None:
            wanted, there = signed(alpha), [signed(reply.alpha) for reply in self._replies]
        else:
            wanted = f"{signed(alpha)} with seed {seed}"
            there = [f"{signed(reply.alpha)} with seed {reply.seed}" for reply in self._replies]
        raise UsageError(
            f"There is no reply at α {wanted}.",
            f"There are replies at {', '.join(dict.fromkeys(there))}.",
        )

    def of(self, stage: str, seed: int | None = None) -> PairReply:
        """The first reply of a stage of a chain, with this seed if one is given.

        Raises UsageError if there is none.
        """
        for reply in self._replies:
            if stage in (reply.record.lane, reply.stage) and seed in (None, reply.seed):
                return reply
        there = dict.fromkeys(
            f"{one.stage or one.record.lane} with seed {one.seed}" for one in self._replies
        )
        wanted = stage if seed is None else f"{stage} with seed {seed}"
        raise UsageError(f"There is no reply of {wanted}.", f"There are {', '.join(there)}.")

    def save(self, path: str | Path) -> None:
        """Write the request as a transcript that every command can read.

        Raises TranscriptError if it cannot be written.
        """
        lines = (to_line(record) + "\n" for record in self.records)
        write_atomically(Path(path), "".join(lines))

    def to_pandas(self) -> pandas.DataFrame:
        """One row per token of every reply. Raises UsageError if pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
        rows = [row for reply in self._replies for row in reply.rows()]
        return pandas.DataFrame(rows, columns=COLUMNS)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._replies))

    def _repr_html_(self) -> str:
        from logit_amp_chat.core.export.notebook import replies_fragment

        return replies_fragment([reply._log for reply in self._replies])
