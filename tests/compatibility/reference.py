"""A chat on an engine, every token of which is compared with transformers alone.

The reference is one forward pass over a text, without a cache, of a model that
transformers loaded; nothing of ours is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from unittest.mock import patch

import torch
from torch import Tensor

from logit_amp_chat.core.decoding import pair_runner
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Finish, Message, Reply, Step
from logit_amp_chat.core.sampling import Sampling

NextToken = Callable[[Sequence[int]], Tensor]
"""The log-probabilities (V,) of the token after a text."""

CHUNK = 16
SAMPLING = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=12)
FIRST = "Otters eat fish and crabs. The sea is blue and the sun is warm."


def whole_pass(model: torch.nn.Module, ids: int) -> NextToken:
    """transformers' own forward pass over the whole text, over the first `ids` ids."""

    @torch.inference_mode()
    def next_token(text: Sequence[int]) -> Tensor:
        out = model(input_ids=torch.tensor([list(text)]), use_cache=False)
        return out.logits[0, -1, :ids].float().log_softmax(-1)  # type: ignore[no-any-return]

    return next_token


def chat(engine: LocalEngine) -> Iterator[tuple[Reply, list[Step]]]:
    """Three lanes; the next turn of one; an edited first message; a branch with given tokens."""
    lanes = (-1.0, 0.0, 0.8)
    first = yield from _turn(engine, [("user", FIRST)], lanes)
    answer = "".join(step.text for step in first[1])
    yield from _turn(engine, [("user", FIRST), ("assistant", answer), ("user", "Why?")], (0.5,))
    given = tuple(step.token for step in first[2][:5])
    yield from _turn(engine, [("user", FIRST)], (1.0, 0.0), given)
    yield from _turn(engine, [("user", FIRST.replace("warm", "cold"))], (0.0, 1.5))


def _turn(
    engine: LocalEngine,
    said: Sequence[tuple[str, str]],
    alphas: Sequence[float],
    given: tuple[int, ...] = (),
) -> Generator[tuple[Reply, list[Step]], None, list[list[Step]]]:
    messages = tuple(
        Message(id=f"m{n}", parent=None, role=role, text=text)  # type: ignore[arg-type]
        for n, (role, text) in enumerate(said)
    )
    lanes = tuple(Lane(reply=f"r{n}", name=f"{n}", alpha=a) for n, a in enumerate(alphas))
    request = Request(messages=messages, lanes=lanes, sampling=SAMPLING, forced=given)
    replies: dict[str, Reply] = {}
    steps: dict[str, list[Step]] = {}
    with patch.object(pair_runner, "prefill_chunk", lambda device: CHUNK):
        for event in engine.generate(request):
            match event:
                case Reply():
                    replies[event.id], steps[event.id] = event, []
                case Step():
                    steps[event.reply].append(event)
                case Finish(reason="error"):
                    raise RuntimeError(event.error)
    yield from ((replies[name], steps[name]) for name in replies)
    return [*steps.values()]


def differences(engine: LocalEngine, before: NextToken, after: NextToken) -> list[float]:
    """In nats, of every listed token of the chat, on both sides, from the reference."""
    found: list[float] = []
    for reply, steps in chat(engine):
        text: list[int] = []
        for step in steps:
            expected = before([*reply.prompt.before, *text]), after([*reply.prompt.after, *text])
            for token, _, *ours in step.top:
                theirs = [float(log_p[token]) for log_p in expected]
                found += [abs(a - b) for a, b in zip(theirs, ours[:2], strict=True)]
            text.append(step.token)
    return found
