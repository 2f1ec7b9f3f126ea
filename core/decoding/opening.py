"""An opening from the steps that measure it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logit_amp_chat.core.decoding.request_state import Batch
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.protocol import Event, Prefill
from logit_amp_chat.core.records import Candidate, Finish, Opening, Reply, Step


def as_opening(reply: Reply, batches: Iterator[Batch]) -> Iterator[Sequence[Event]]:
    """The progress of `Decoder.opening`, then its steps as one Opening; none if it was stopped.

    Raises LogitAmpError if it broke off.
    """
    steps: list[Step] = []
    for batch in batches:
        for event in batch:
            match event:
                case Prefill():
                    yield [event]
                case Step():
                    steps.append(event)
                case Finish(reason="error"):
                    raise LogitAmpError(f"The openings could not be measured: {event.error}")
    if len(steps) > reply.forced:
        yield [_opening(reply, steps[: reply.forced], steps[reply.forced])]


def _opening(reply: Reply, path: Sequence[Step], last: Step) -> Opening:
    return Opening(
        parent=reply.parent,
        alpha=reply.alpha,
        path=tuple(_candidate(step) for step in path),
        prompt=reply.prompt,
        raw=reply.raw,
        candidates=reply.candidates,
        template=reply.template,
        kl=last.kl,
        kl_amplified=last.kl_amplified,
        entropy=last.entropy,
        top=last.top,
        ends=reply.sampling.ends,
    )


def _candidate(step: Step) -> Candidate:
    logp = step.logp
    return Candidate(step.token, step.text, logp.before, logp.after, logp.amplified)
