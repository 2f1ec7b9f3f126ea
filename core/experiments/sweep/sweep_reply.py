"""What a sweep knows of a prompt, and keeps of a reply."""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.records import FinishReason, Role, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPrompt:
    """One prompt: its messages as role and text, and the text that every reply begins with.

    `id` numbers the prompts of a sweep from p1; `key` is a hash of the content. `source` is the
    file it is from, as the user named it, and `place` where in it; both may be empty.
    """

    id: str
    key: str
    messages: tuple[tuple[Role, str], ...]
    begin: str = ""
    raw: bool = False
    source: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReply:
    """One sampled reply: number `n`, from 0, of those to `prompt` at `alpha`.

    `tokens`, `text` and `lengths` are those of a `SampledReply`. `log_q` (n, K) has the
    log-probability of every token under each α of `grid` as it is sampled there, `before` and
    `after` (n,) those at temperature 1 without filters, `kl` (n,) KL(after‖before), all in
    nats. A reply that was imported has no log-probabilities and may have no tokens. `steps` have
    candidates, where they were wanted.
    """

    id: str
    prompt: str
    alpha: float
    n: int
    seed: int
    tokens: tuple[int, ...]
    text: str
    lengths: tuple[int, ...]
    finish: FinishReason
    grid: tuple[float, ...] = ()
    log_q: tuple[tuple[float, ...], ...] = ()
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    kl: tuple[float, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether the length limit or the context ended it."""
        return self.finish in ("length", "context")
