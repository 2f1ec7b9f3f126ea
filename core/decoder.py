"""Lanes over a pair: caches, one step, the stream of Steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.amplification import log_probs, mix
from core.both import BothSides
from core.errors import ContextError, LogitAmpError
from core.events import Prefill
from core.measurement import Measured, measure
from core.pair import Pair
from core.records import Change, Finish, FinishReason, PromptIds, Reply, Sampling, Step
from core.sampling import Noise, filtered, pick

# What happened at one token of all lanes.
Batch = list[Prefill | Step | Change | Finish]


@dataclass
class Controls:
    """What may change between two tokens; the decoder reads it before each."""

    alphas: dict[str, float]
    sampling: Sampling
    stopped: set[str] = field(default_factory=set)


@dataclass
class Progress:
    """One lane while it decodes."""

    reply: str
    tokens: int = 0
    reason: FinishReason | None = None
    error: str | None = None


class Decoder:
    """Decodes any number of lanes over one pair, a row each, in lock-step.

    Changing α, temperature or filters costs nothing.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.sides = BothSides(pair)

    def decode(
        self,
        replies: Sequence[Reply],
        controls: Controls,
        forced: tuple[int, ...] = (),
    ) -> Iterator[Batch]:
        """Stream what happens, a batch a token; `replies` are the lanes' records.

        All replies have one prompt and one seed. Between two batches the
        caller may change `controls`; it is in force with the next token. Every
        lane ends with a Finish.
        """
        prompt = replies[0].prompt
        run = Run(self.pair, replies, controls)
        try:
            yield from self._prefill(run, prompt, forced)
            yield from self._steps(run)
        except LogitAmpError as error:
            yield run.abort(str(error))
        except torch.OutOfMemoryError:
            self.forget()
            yield run.abort(
                "The GPU's memory is used up. Compare fewer lanes, shorten the"
                " conversation, or choose a smaller pair or quantization."
            )
        except Exception as error:
            # The caches may hold half a token.
            self.forget()
            yield run.abort(f"{type(error).__name__}: {error}")
            raise
        finally:
            self.sides.release()

    def forget(self) -> None:
        """Drop every cached prefix."""
        self.sides.forget()

    def reachable(self, forced: tuple[int, ...], sampling: Sampling) -> tuple[int, ...]:
        """What of a forced prefix can be said: up to the longest reply, or an end of turn."""
        forced = forced[: sampling.max_new_tokens]
        ends = (n for n, token in enumerate(forced, 1) if token in self.pair.end_of_turn)
        return forced[: next(ends, len(forced))]

    def check(self, prompt: PromptIds, forced: tuple[int, ...]) -> None:
        """Raise ContextError where the prompt leaves no room, LogitAmpError where it is none."""
        ids = (*prompt.before, *prompt.after, *forced)
        if not (prompt.before and prompt.after):
            raise LogitAmpError("The prompt is empty.", "Give at least one token.")
        if not 0 <= min(ids) <= max(ids) < self.pair.size:
            raise LogitAmpError(
                f"The prompt has token ids that this pair's sides do not share: ids go up to"
                f" {self.pair.size - 1:,}.",
                "Use a pair whose two sides both know every token of it.",
            )
        used = max(len(prompt.before), len(prompt.after)) + len(forced)
        if used >= self.pair.context:
            raise ContextError(
                f"The context is used up: the conversation has {used:,} tokens and the"
                f" model holds {self.pair.context:,}.",
                "Start a new chat, edit an earlier message, or shorten the last one.",
            )

    def _prefill(self, run: Run, prompt: PromptIds, forced: tuple[int, ...]) -> Iterator[Batch]:
        """Read the prompt and what is forced; afterwards `run` holds the next token's logits."""
        for done, total in self.sides.read(prompt, forced):
            yield [Prefill(done, total)]
        logits = self.sides.logits
        if forced:
            yield self._forced(run, forced, logits)
        if not run.active:
            return
        rows = len(run.lanes)
        self.sides.spread(rows)
        run.before, run.after = (side[-1:].expand(rows, -1) for side in logits)

    @staticmethod
    def _forced(run: Run, forced: tuple[int, ...], logits: list[Tensor]) -> Batch:
        """Measure what is forced, from one row of logits a token: all of it or nothing."""
        rows = len(run.lanes)
        batch: Batch = [*run.settle()]
        for index, token in enumerate(forced):
            if run.active:
                at = [side[index : index + 1].expand(rows, -1) for side in logits]
                batch += run.advance(at[0], at[1], torch.full((rows,), token))
                batch += run.finished()
        return batch

    def _steps(self, run: Run) -> Iterator[Batch]:
        while run.active:
            batch: Batch = [*run.settle()]
            if run.active:
                batch += run.advance(run.before, run.after, None)
                batch += run.finished()
            yield batch
            if run.active:
                # Rows of lanes that have ended go along: cheaper than cutting caches.
                run.before, run.after = self.sides.step(run.tokens)


class Run:
    """The state of one request: what every lane has said, and the logits of what comes next."""

    def __init__(
        self,
        pair: Pair,
        replies: Sequence[Reply],
        controls: Controls,
    ) -> None:
        self.pair = pair
        self.lanes = [Progress(reply.id) for reply in replies]
        self.controls = controls
        self.top = replies[0].top
        self.index = 0
        self.tokens: Tensor = torch.empty(0)
        self.before: Tensor = torch.empty(0)
        self.after: Tensor = torch.empty(0)
        self._sampling = controls.sampling
        self._prompt = max(len(replies[0].prompt.before), len(replies[0].prompt.after))
        self._noise = Noise(replies[0].seed, replies[0].turn, pair.size, pair.device)
        self._alpha_values: list[float] = []
        self._alpha = torch.empty(0)
        self._started = time.monotonic()

    @property
    def active(self) -> list[Progress]:
        """The lanes that still decode."""
        return [p for p in self.lanes if p.reason is None]

    def settle(self) -> list[Change | Finish]:
        """Take in what was changed or stopped since the last token."""
        events: list[Change | Finish] = []
        for progress in self.active:
            if progress.reply in self.controls.stopped:
                progress.reason = "cancelled"
                events.append(self._finish(progress))
        if self.controls.sampling != self._sampling:
            self._sampling = self.controls.sampling
            events += [
                Change(reply=p.reply, index=self.index, sampling=self._sampling)
                for p in self.active
            ]
        return events

    def advance(self, before: Tensor, after: Tensor, forced: Tensor | None) -> list[Step]:
        """Choose and measure one token a lane from the logits (R, V) of both sides."""
        pair = self.pair
        alpha = self._alphas()
        p_before = log_probs(before[:, : pair.size].to(pair.device), pair.valid)
        p_after = log_probs(after[:, : pair.size].to(pair.device), pair.valid)
        amplified = mix(p_before, p_after, alpha).log_softmax(dim=-1)
        if forced is None:
            noise = self._noise.at(self.index) if self._sampling.temperature > 0 else None
            scores = filtered(amplified, p_after, alpha, self._sampling)
            token = pick(scores, noise)
        else:
            token = forced.to(pair.device)
        rows = measure(
            torch.stack((p_before, p_after, amplified)),
            token,
            self.top,
            self._sampling.plausibility,
        )
        self.tokens = token
        steps = [
            self._step(progress, measured, alpha_value)
            for progress, measured, alpha_value in zip(
                self.lanes, rows, self._alpha_values, strict=True
            )
            if progress.reason is None
        ]
        self.index += 1
        return steps

    def finished(self) -> list[Finish]:
        """End the lanes for which the last token was the last one."""
        events = []
        tokens = self.tokens.tolist()
        for progress, token in zip(self.lanes, tokens, strict=True):
            if progress.reason is not None:
                continue
            if token in self.pair.end_of_turn:
                progress.reason = "stop"
            elif progress.tokens >= self._sampling.max_new_tokens:
                progress.reason = "length"
            elif self._prompt + progress.tokens >= self.pair.context:
                progress.reason = "context"
            if progress.reason is not None:
                events.append(self._finish(progress))
        return events

    def abort(self, error: str) -> Batch:
        """End every lane with what it has."""
        events: Batch = []
        for progress in self.active:
            progress.reason, progress.error = "error", error
            events.append(self._finish(progress))
        return events

    def _alphas(self) -> Tensor:
        values = [self.controls.alphas[p.reply] for p in self.lanes]
        if values != self._alpha_values:
            self._alpha_values = values
            self._alpha = torch.tensor(values, dtype=torch.float32, device=self.pair.device)
            self._alpha = self._alpha.unsqueeze(-1)
        return self._alpha

    def _step(self, progress: Progress, measured: Measured, alpha: float) -> Step:
        if math.isnan(measured.logp.amplified):
            raise LogitAmpError(
                f"The models' numbers became NaN at token {self.index} with α = {alpha:g}.",
                "Try a smaller α, or dtype float32 in the profile.",
            )
        text, raw, special = self.pair.token_bytes.describe(measured.token)
        progress.tokens += 1
        return Step(
            reply=progress.reply,
            index=self.index,
            alpha=alpha,
            token=measured.token,
            text=text,
            bytes=raw,
            special=special,
            logp=measured.logp,
            rank=measured.rank,
            kl=measured.kl,
            kl_amplified=measured.kl_amplified,
            entropy=measured.entropy,
            top=measured.candidates(self.pair.token_bytes),
        )

    def _finish(self, progress: Progress) -> Finish:
        assert progress.reason is not None
        return Finish(
            reply=progress.reply,
            reason=progress.reason,
            tokens=progress.tokens,
            seconds=round(time.monotonic() - self._started, 3),
            error=progress.error,
        )
