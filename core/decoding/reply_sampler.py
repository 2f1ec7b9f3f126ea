"""Samples many replies at once: a reply that ends is replaced by the next one."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.pair_runner import CacheUses
from logit_amp_chat.core.decoding.reply_progress import AskedPrompt, ReplyProgress
from logit_amp_chat.core.decoding.reply_rows import LockstepRows, RaggedRows, ReadIds, read_ids
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.row_chooser import RowChooser
from logit_amp_chat.core.decoding.row_limits import rows_that_fit
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.protocol import Noticed
from logit_amp_chat.core.samples import (
    Draw,
    PromptRead,
    SampledReply,
    SampleProgress,
    SampleRequest,
)

PROGRESS_SECONDS = 0.5

SampleEvent = PromptRead | SampledReply | SampleProgress | Noticed


class ReplySampler:
    """Samples the replies of one request; the caches of chats are neither used nor changed."""

    def __init__(
        self,
        pair: Pair,
        uses: CacheUses,
        ragged: bool,
        request: SampleRequest,
        prompts: Sequence[AskedPrompt],
        controls: Controls,
    ) -> None:
        """`ragged`: whether a row can be replaced while the others go on."""
        self._controls = controls
        self._pair, self._uses, self._ragged = pair, uses, ragged
        self._request, self._prompts = request, prompts
        self._most = request.rows
        self._waiting = deque(request.draws)
        self._ready = deque[ReplyProgress]()
        """The next replies, with their first tokens: nothing was told of them yet."""
        self._live: list[ReplyProgress] = []
        """The reply of every row; those that have ended wait for their place to be taken."""
        self._rows: RaggedRows | LockstepRows | None = None
        self._read: dict[int, ReadIds] = {}
        self._unplaced = Counter(draw.prompt for draw in request.draws)
        self._told: set[int] = set()
        self._chooser, self._first_chooser = RowChooser(pair, request), RowChooser(pair, request)
        self._events: list[SampleEvent] = []
        self._ended = self._tokens = 0
        self._due = time.monotonic() + PROGRESS_SECONDS

    def run(self) -> Iterator[Sequence[SampleEvent]]:
        """The events of the request, a batch a step.

        Raises LogitAmpError if there is no memory for one reply.
        """
        while True:
            try:
                yield from self._steps()
                return
            except torch.OutOfMemoryError:
                pass  # handled once the tensors of the failed step are gone
            self._halve()
            yield self._flush()

    def _steps(self) -> Iterator[Sequence[SampleEvent]]:
        while True:
            self._obey()
            self._place()
            yield self._flush()
            if self._waiting and not self._ready and self._has_room():
                yield from self._prepare()
                continue
            self._drop_ended()
            if not self._live:
                return
            if self._rows is None:
                self._rows = self._begun()
            logits = self._rows.decode([reply.tokens[-1] for reply in self._live])
            going = [reply for reply in self._live if not reply.finish]
            self._choose(self._chooser, logits, self._live)
            for reply in going:
                if reply.finish:
                    self._report(reply)

    def _choose(
        self, chooser: RowChooser, logits: tuple[Tensor, Tensor], replies: Sequence[ReplyProgress]
    ) -> None:
        """Choose the next token of every reply, from both sides' logits (R, V)."""
        going = [n for n, reply in enumerate(replies) if reply.finish is None]
        if len(going) < len(replies):
            before, after = logits
            logits = before[going], after[going]
        chooser.advance(logits, [replies[n] for n in going])
        self._tokens += len(going)

    # --- which reply is where -------------------------------------------------------------

    def _has_room(self) -> bool:
        """Whether a reply could begin now."""
        if self._rows is None:
            return len(self._live) < (self._most or 1) if self._ragged else not self._live
        return self._ragged and any(reply.finish for reply in self._live)

    def _place(self) -> None:
        """Let replies that are ready take the places of those that have ended."""
        if not self._ragged and all(reply.finish for reply in self._live):
            self._rows, self._live = None, []
        while self._ready and self._has_room():
            reply = self._ready.popleft()
            self._unplaced[reply.draw.prompt] -= 1
            if reply.finish:
                self._report(reply)
            elif isinstance(self._rows, RaggedRows):
                place = next(n for n, one in enumerate(self._live) if one.finish)
                self._rows.replace(place, self._read[reply.draw.prompt])
                self._live[place] = reply
            else:
                self._live.append(reply)
        self._forget_prompts()

    def _drop_ended(self) -> None:
        """Free the rows for which there is no further reply."""
        going = [n for n, reply in enumerate(self._live) if not reply.finish]
        if not going:
            self._rows, self._live = None, []
        elif self._ragged and len(going) < len(self._live):
            if isinstance(self._rows, RaggedRows):
                self._rows.keep(going)
            self._live = [self._live[n] for n in going]

    def _begun(self) -> RaggedRows | LockstepRows:
        """The rows of the replies that begin together."""
        read = [self._read[reply.draw.prompt] for reply in self._live]
        if self._ragged:
            rows: RaggedRows | LockstepRows = RaggedRows(read)
        else:
            rows = LockstepRows(self._read.pop(self._live[0].draw.prompt), len(read))
        self._forget_prompts()
        return rows

    # --- prompts, and first tokens --------------------------------------------------------

    def _prepare(self) -> Iterator[Sequence[SampleEvent]]:
        """Read a prompt of the next replies; once all are read, choose their first tokens."""
        block = self._next_block()
        unread = next((draw.prompt for draw in block if draw.prompt not in self._read), None)
        if unread is not None:
            yield from self._read_prompt(unread, {draw.prompt for draw in block})
            return
        found = [ReplyProgress(draw, self._prompts[draw.prompt]) for draw in block]
        logits = [self._read[draw.prompt].logits for draw in block]
        before, after = (torch.cat(side) for side in zip(*logits, strict=True))
        self._choose(self._first_chooser, (before, after), found)
        for _ in block:
            self._waiting.popleft()
        self._ready.extend(found)

    def _next_block(self) -> list[Draw]:
        """The next draws, as many as there are rows; of one prompt where they stay together."""
        block: list[Draw] = []
        for draw in self._waiting:
            other = block and draw.prompt != block[0].prompt
            if len(block) == (self._most or 1) or (other and not self._ragged):
                break
            block.append(draw)
        return block

    def _read_prompt(self, number: int, needed: set[int]) -> Iterator[Sequence[SampleEvent]]:
        """Read a prompt; of the others, as many are kept as there are rows, and the needed ones."""
        if self._rows is None:
            needed = needed | {reply.draw.prompt for reply in self._live}
        spare = [n for n in self._read if n not in needed]
        for n in spare[: max(0, len(self._read) + 1 - (self._most or 1))]:
            del self._read[n]
        prompt = self._prompts[number]
        for read in read_ids(self._pair, self._uses, prompt.ids):
            yield self._flush()
            self._obey()
            if not self._waiting:
                return
            if read is not None:
                self._read[number] = read
        self._set_rows(self._read[number])
        if number not in self._told:
            self._told.add(number)
            event = PromptRead(prompt=number, ids=prompt.ids, forced=len(prompt.forced))
            self._events.append(event)

    def _set_rows(self, prompt: ReadIds) -> None:
        """Choose how many replies are decoded at once, where it is not given."""
        if self._most is None:
            sides = (ids for one in self._prompts for ids in (one.ids.before, one.ids.after))
            tokens = max(map(len, sides)) + self._request.sampling.max_new_tokens
            self._most = rows_that_fit(self._pair, prompt, tokens, len(self._request.grid))
        if any(caches.use < CacheUse.LANES for caches in prompt.runner.live):
            self._most = 1  # lanes would be decoded one after the other anyway

    def _forget_prompts(self) -> None:
        """Forget the prompts that no reply will begin with."""
        if self._rows is None and self._live:
            return  # they are about to begin
        for number in [n for n in self._read if not self._unplaced[n]]:
            del self._read[number]

    # --- commands, and events -------------------------------------------------------------

    def _obey(self) -> None:
        """End what is stopped, and begin no more where that is wanted."""
        stopped, drained = self._controls.stopped, self._controls.drained
        for reply in self._live:
            if reply.finish is None and reply.draw.reply in stopped:
                reply.finish = "cancelled"
                self._report(reply)
        if drained or stopped:
            waiting = [draw for draw in self._waiting if draw.reply not in stopped]
            ready = [reply for reply in self._ready if reply.draw.reply not in stopped]
            self._waiting = deque([] if drained else waiting)
            self._ready = deque([] if drained else ready)

    def _halve(self) -> None:
        """Begin anew with half the rows: the replies in flight are sampled again, the same."""
        rows = len(self._live) or self._most or 1
        if rows == 1:
            raise LogitAmpError(
                "The GPU's memory is used up by a single reply.",
                "Shorten the prompts or the replies, or choose a smaller pair or quantization.",
            )
        flying = [*(reply for reply in self._live if not reply.finish), *self._ready]
        self._unplaced.update(reply.draw.prompt for reply in self._live if not reply.finish)
        self._waiting.extendleft(reply.draw for reply in reversed(flying))
        self._live, self._rows, self._most = [], None, rows // 2
        self._ready.clear()
        self._read.clear()
        if self._pair.device.type == "cuda":
            torch.cuda.empty_cache()
        self._events.append(
            Noticed(f"Memory is used up: {self._most} replies are sampled at once, not {rows}.")
        )

    def _report(self, reply: ReplyProgress) -> None:
        self._ended += 1
        asked = self._request
        sampled = reply.sampled(self._pair.token_bytes, asked.grid, asked.amplify_first)
        self._events.append(sampled)

    def _flush(self) -> list[SampleEvent]:
        """What happened since the last batch, with the progress now and then."""
        events, self._events = self._events, []
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PROGRESS_SECONDS
            going = sum(reply.finish is None for reply in self._live)
            events.append(SampleProgress(ended=self._ended, rows=going, tokens=self._tokens))
        return events
