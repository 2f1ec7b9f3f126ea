"""Decodes replies of a sweep again, each alone as a chat does, and compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.findings import some
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.protocol import SetAlpha
from logit_amp_chat.core.records import Finish, PromptIds, Reply, Step
from logit_amp_chat.core.samples import Given, Rescored, RescoreRequest
from logit_amp_chat.core.transcripts.replay import ReplayEngine, recorded_ends

TOLERANCE = 1e-3
"""Nats by which numbers may differ: a reply among others is computed in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How a reply compares: how many of its tokens are the same, up to the first that is not.

    `deviation` is the largest difference of log p before, log p after and KL among these, and of
    the log-probabilities over the grid of αs, measured anew, in nats. `problem` says why it cannot
    be decoded.
    """

    reply: SweepReply
    same: int = 0
    deviation: float = 0.0
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all tokens are the same, with the same numbers but for rounding."""
        whole = self.same == len(self.reply.tokens)
        return whole and self.deviation <= TOLERANCE and not self.problem


def chosen(folder: SweepFolder, ids: Sequence[str], most: int) -> list[SweepReply]:
    """The replies of these ids, else `most` of all, from its beginning to its end.

    Raises UsageError for ids that it does not have.
    """
    if missing := [name for name in ids if name not in folder.contents.there]:
        raise UsageError(
            f"The sweep has no reply {some(missing)}.",
            "A reply is named PROMPT:α:NUMBER, as in p1:+0.5:3.",
        )
    total = len(folder.contents.there)
    if not ids:
        places = {n * total // most for n in range(most)}
        return [one for n, one in enumerate(folder.replies()) if n in places]
    return [one for one in folder.replies() if one.id in ids]


def verified(
    engine: ReplayEngine, folder: SweepFolder, replies: Iterable[SweepReply]
) -> Iterator[Verified]:
    """Decode every one of these replies again, from the prompt ids that were written down."""
    prompts = {prompt.id: prompt for prompt in folder.prompts}
    for reply in replies:
        if reply.prompt not in folder.contents.ids:
            yield Verified(reply=reply, problem="the ids of its prompt were not written down")
            continue
        try:
            yield _compared(engine, folder, prompts[reply.prompt], reply)
        except LogitAmpError as error:
            yield Verified(reply=reply, problem=str(error))


def _compared(
    engine: ReplayEngine, folder: SweepFolder, prompt: SweepPrompt, reply: SweepReply
) -> Verified:
    forced, record = _record(folder, prompt, reply)
    first = folder.settings.amplify_first
    same, deviation = 0, 0.0
    turn_ends = recorded_ends(engine, folder.contents.session)
    for batch in engine.decode([record], forced, ahead=False, turn_ends=turn_ends):
        for event in batch:
            if isinstance(event, Finish) and event.error:
                return Verified(reply=reply, same=same, problem=event.error)
            if not isinstance(event, Step):
                continue
            at = event.index - len(forced)
            if first is not None and at == first - 1:
                engine.apply(SetAlpha(record.id, 0.0))
            if at == same < len(reply.tokens) and event.token == reply.tokens[at]:
                same += 1
                deviation = max(deviation, _deviation(event, reply, at))
    return Verified(
        reply=reply, same=same, deviation=max(deviation, _grid_deviation(engine, folder, reply))
    )


def _grid_deviation(engine: ReplayEngine, folder: SweepFolder, reply: SweepReply) -> float:
    """The largest difference of the log-probabilities that the estimate rests on."""
    if not reply.log_q or not reply.tokens:
        return 0.0
    settings = folder.settings
    given = Given(reply=reply.id, ids=folder.contents.ids[reply.prompt], tokens=reply.tokens)
    request = RescoreRequest(
        replies=(given,),
        sampling=settings.sampling,
        grid=reply.grid,
        amplify_first=settings.amplify_first,
    )
    found = [one for one in engine.rescore(request) if isinstance(one, Rescored)]
    there = [value for row in reply.log_q for value in row]
    here = [value for one in found for row in one.log_probs.q for value in row]
    pairs = zip(here, there, strict=True)
    return max(0.0 if a == b else abs(a - b) for a, b in pairs)


def _deviation(step: Step, reply: SweepReply, at: int) -> float:
    if at >= len(reply.kl):
        return 0.0
    pairs = (
        (step.logp.before, reply.before[at]),
        (step.logp.after, reply.after[at]),
        (step.kl, reply.kl[at]),
    )
    return max(0.0 if here == there else abs(here - there) for here, there in pairs)


def _record(
    folder: SweepFolder, prompt: SweepPrompt, reply: SweepReply
) -> tuple[tuple[int, ...], Reply]:
    """The given tokens that it begins with, and the reply as a lane."""
    ids, given = folder.contents.ids[prompt.id], folder.contents.forced[prompt.id]
    before, after = (side[: len(side) - given] for side in (ids.before, ids.after))
    forced = ids.after[len(after) :]
    length = given + len(reply.tokens)
    sampling = folder.settings.sampling.model_copy(
        update={"seed": reply.seed, "max_new_tokens": max(1, length)}
    )
    turn = max(0, sum(role == "user" for role, _ in prompt.messages) - 1)
    record = Reply(
        id=reply.id,
        parent=None,
        lane="amplified",
        alpha=reply.alpha,
        seed=reply.seed,
        turn=turn,
        sampling=sampling,
        prompt=PromptIds(before=before, after=after),
        forced=given,
        raw=prompt.raw,
        candidates=0,
    )
    return forced, record
