"""Work units of a sweep: blocks of replies, for one worker each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from logit_amp_chat.core.errors import EngineError
from logit_amp_chat.core.samples import (
    Draw,
    PromptRead,
    Rescored,
    RescoreRequest,
    SampledReply,
    SampleRequest,
)

SMALLEST, LARGEST = 128, 4096
"""Replies of a block: at the end of each rows are unused until its longest reply has ended."""

TIMES_ROWS = 4
"""A block has at least so many times as many replies as there are rows."""

TRIES = 3
"""Workers that may be lost in turn, with no reply between, until the block is held to be why."""


@dataclass(slots=True)
class Block:
    """A part of a request; `prompts` are the numbers that its prompts have in the whole."""

    request: SampleRequest | RescoreRequest
    prompts: tuple[int, ...] = ()
    losses: int = 0
    answered: set[str] = field(default_factory=set)

    @property
    def rest(self) -> SampleRequest | RescoreRequest | None:
        """What was not answered yet; None if nothing."""
        request = self.request
        if isinstance(request, SampleRequest):
            draws = tuple(one for one in request.draws if one.reply not in self.answered)
            return replace(request, draws=draws) if draws else None
        given = tuple(one for one in request.replies if one.reply not in self.answered)
        return replace(request, replies=given) if given else None

    def lacking(self) -> list[Draw]:
        """The draws that have no reply yet."""
        rest = self.rest
        return list(rest.draws) if isinstance(rest, SampleRequest) else []

    def prompt_read(self, event: PromptRead) -> PromptRead:
        """The event as one of the whole request."""
        return replace(event, prompt=self.prompts[event.prompt])

    def sampled(self, event: SampledReply) -> SampledReply:
        """The same of a reply, which is answered then."""
        self.answered.add(event.reply)
        return replace(event, prompt=self.prompts[event.prompt])

    def rescored(self, event: Rescored) -> Rescored:
        """The event; its reply is answered then."""
        self.answered.add(event.reply)
        return event


class Blocks:
    """Cuts a request into blocks as workers ask for them, and takes back what was lost.

    A block is half of what is left, divided among the workers: large at first, small at the end,
    so that all end at about the same time (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """

    def __init__(self, request: SampleRequest | RescoreRequest, workers: int) -> None:
        self._request, self._workers = request, workers
        self._left: deque[Draw] = deque()
        self._least = 1
        self._returned: deque[Block] = deque()
        self._out = 0
        self.is_drained = False
        """Whether no more is given out."""
        if isinstance(request, SampleRequest):
            self._left.extend(request.draws)
            # Of a small sweep each worker has one share.
            least = max(SMALLEST, TIMES_ROWS * (request.rows or 0))
            self._least = min(least, -(-len(request.draws) // workers))
        else:
            self._returned.extend(_shares(request, workers))

    @property
    def is_done(self) -> bool:
        """Whether nothing is left, and nothing out."""
        return not (self._left or self._returned or self._out)

    @property
    def is_waiting(self) -> bool:
        """Whether a worker is wanted."""
        return bool(self._left or self._returned)

    def take(self) -> Block | None:
        """The next block; None where all is out."""
        if not self.is_waiting:
            return None
        self._out += 1
        return self._returned.popleft() if self._returned else self._cut()

    def give_back(self, block: Block) -> None:
        """Take a block back; what is not answered of it is asked of another worker.

        Once no more is given out that is dropped. Raises EngineError where `TRIES` workers were
        lost with it, one after the other.
        """
        self._out -= 1
        if self.is_drained or (rest := block.rest) is None:
            return
        losses = 1 if block.answered else block.losses + 1
        if losses >= TRIES:
            raise EngineError(
                f"{TRIES} workers were lost, one after the other, with the same replies.",
                "Give fewer --rows if memory is short; what was sampled is kept, and the same"
                " command goes on.",
            )
        self._returned.append(Block(rest, block.prompts, losses))

    def drain(self) -> None:
        """Give out no more."""
        self.is_drained = True
        self._left.clear()
        self._returned.clear()

    def _cut(self) -> Block:
        assert isinstance(self._request, SampleRequest)
        size = min(LARGEST, max(self._least, len(self._left) // (2 * self._workers)))
        draws = [self._left.popleft() for _ in range(min(size, len(self._left)))]
        prompts = tuple(dict.fromkeys(draw.prompt for draw in draws))
        place = {number: n for n, number in enumerate(prompts)}
        request = replace(
            self._request,
            prompts=tuple(self._request.prompts[number] for number in prompts),
            draws=tuple(replace(draw, prompt=place[draw.prompt]) for draw in draws),
        )
        return Block(request, prompts)


def _shares(request: RescoreRequest, workers: int) -> Iterator[Block]:
    """Replies to be measured, a share for each worker."""
    size = -(-len(request.replies) // workers)
    for begin in range(0, len(request.replies), max(1, size)):
        yield Block(replace(request, replies=request.replies[begin : begin + size]))
