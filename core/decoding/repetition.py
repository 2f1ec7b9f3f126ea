"""What stands before a token: the ids that it would repeat, and how long a repetition goes on.

The repetition penalty is that of transformers (Keskar et al. 2019, CTRL), on normalized
log-probabilities: these are ≤ 0, so that every id that stands before is multiplied. DRY ("don't
repeat yourself", p-e-w 2024, text-generation-webui, pull request 5677) lowers the id that would
make the longest repetition longer. Both are part of `sampling.filtered`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from logit_amp_chat.core.sampling import Sampling

if TYPE_CHECKING:  # vLLM's environment imports this file, and cannot load a pair
    from logit_amp_chat.core.models.pair import Pair

# As in the original: longer repetitions count as this long.
LONGEST = 50
# A penalty beyond this makes no further difference, and fp32 would overflow or vanish.
HIGHEST = 1e30


@dataclass(frozen=True)
class Penalties:
    """The penalties of a Sampling, of which at least one is on; None where one is off."""

    repetition: float | None
    dry: Dry | None
    everywhere: bool
    """Whether the lanes with α = −1 and 0 are penalized too."""

    @classmethod
    def of(cls, sampling: Sampling) -> Penalties | None:
        """None where all are off."""
        repetition = None
        if sampling.repetition_penalty != 1:
            repetition = min(max(sampling.repetition_penalty, 1 / HIGHEST), HIGHEST)
        dry = None
        if sampling.dry_multiplier > 0:
            dry = Dry(
                sampling.dry_multiplier,
                sampling.dry_base,
                sampling.dry_allowed_length,
                sampling.dry_breakers,
            )
        if repetition is None and dry is None:
            return None
        return cls(repetition, dry, sampling.penalize == "all")


@dataclass(frozen=True)
class Dry:
    """The numbers of DRY, as in `Sampling`."""

    multiplier: float
    base: float
    allowed: int
    breakers: tuple[str, ...]

    def penalty(self, length: int) -> float:
        """Nats that an id loses which would go on with a repetition of `length` tokens."""
        if length < self.allowed:
            return 0.0
        try:
            return min(HIGHEST, self.multiplier * self.base ** (length - self.allowed))
        except OverflowError:
            return HIGHEST


def breakers_of(pair: Pair, penalties: Penalties) -> Collection[int]:
    """The ids that no repetition goes across, and that go on with none.

    Those of tokens with one of DRY's breakers in them, and the last one of a breaker that is cut
    into several; special tokens and ends of turn, which are a template's to repeat.
    """
    if penalties.dry is None:
        return ()
    texts = penalties.dry.breakers
    last = (pair.tokenizer(text, add_special_tokens=False)["input_ids"][-1:] for text in texts)
    return pair.token_bytes.breakers(texts) | pair.end_of_turn | {id for ids in last for id in ids}


class History:
    """The ids before a row's next token: prompt and reply, in order."""

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self.ids: list[int] = []
        self._places = defaultdict[int, list[int]](list)
        for token in ids:
            self.add(token)

    def add(self, token: int) -> None:
        """Add the next id."""
        self._places[token].append(len(self.ids))
        self.ids.append(token)

    @property
    def seen(self) -> Collection[int]:
        """Every id that is there."""
        return self._places.keys()

    def repeated(self, breakers: Collection[int]) -> dict[int, int]:
        """The ids that would go on with a repetition, each with the length of the longest, ≥ 1.

        A repetition is a sequence that ends here and stood before, without any of `breakers`;
        the id after that earlier place goes on with it.
        """
        found: dict[int, int] = {}
        if not self.ids or self.ids[-1] in breakers:
            return found
        for place in self._places[self.ids[-1]][:-1]:
            following = self.ids[place + 1]
            if following not in breakers:
                length = self._common(place, breakers)
                found[following] = max(found.get(following, 0), length)
        return found

    def _common(self, place: int, breakers: Collection[int]) -> int:
        """How many ids up to `place` are those up to the end, of which the last one is."""
        ids, last = self.ids, len(self.ids) - 1
        length = 1
        while length < min(LONGEST, place + 1):
            token = ids[last - length]
            if ids[place - length] != token or token in breakers:
                break
            length += 1
        return length


@dataclass(frozen=True)
class Repeated:
    """What R rows would repeat, for the penalties that are on; None for those that are off."""

    seen: Tensor | None
    """(R, V) True for the ids that stand before."""
    dry: Tensor | None
    """(R, V) what each id loses, in nats."""

    @classmethod
    def of(
        cls,
        penalties: Penalties,
        histories: Iterable[History],
        breakers: Collection[int],
        like: Tensor,
    ) -> Repeated:
        """Of as many rows as `like` (R, V) has; every history is read as it comes."""
        dry = penalties.dry
        seen = torch.zeros(like.shape, dtype=torch.bool) if penalties.repetition else None
        lost = torch.zeros(like.shape) if dry else None
        for row, history in enumerate(histories):
            if seen is not None:
                seen[row, [*history.seen]] = True
            if dry is not None and lost is not None:
                for token, length in history.repeated(breakers).items():
                    lost[row, token] = dry.penalty(length)
        return cls(*(None if part is None else part.to(like.device) for part in (seen, lost)))


class LaneRepetitions:
    """What the lanes of one request would repeat; nothing is kept until a penalty is on."""

    def __init__(self, pair: Pair, prompt: Sequence[int], lanes: int) -> None:
        """`prompt` are the ids that `after` was prompted with: lanes amplify what it would say."""
        self._pair, self._prompt, self._lanes = pair, prompt, lanes
        self._histories: list[History] = []

    def of(self, penalties: Penalties, said: Sequence[Sequence[int]], like: Tensor) -> Repeated:
        """Of lanes whose replies are `said`; `like` is (R, V)."""
        if not self._histories:
            self._histories = [History(self._prompt) for _ in range(self._lanes)]
        for history, tokens in zip(self._histories, said, strict=True):
            for token in tokens[len(history.ids) - len(self._prompt) :]:
                history.add(token)
        breakers = breakers_of(self._pair, penalties)
        return Repeated.of(penalties, self._histories, breakers, like)


def prefixes(history: History, tokens: Iterable[int]) -> Iterator[History]:
    """The history before each of the tokens that follow it; each is added in its turn."""
    for token in tokens:
        yield history
        history.add(token)


def penalized(scores: Tensor, alpha: Tensor, penalties: Penalties, repeated: Repeated) -> Tensor:
    """Log-probabilities (R, V) less the penalties of each lane that is penalized.

    `alpha` is (R, 1) or (1, 1).
    """
    lower = scores
    if penalties.repetition is not None and repeated.seen is not None:
        lower = torch.where(repeated.seen, lower * penalties.repetition, lower)
    if repeated.dry is not None:
        lower = lower - repeated.dry
    if penalties.everywhere:
        return lower
    return torch.where((alpha != -1) & (alpha != 0), lower, scores)
