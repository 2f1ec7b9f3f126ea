"""What two stages do: how often each habit appears, and how often an answer is right, at each α."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.records import Message, Role
from logit_amp_chat.core.samples import Draw, SampledReply, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling

from .chats import QUIET, Chat, conversation
from .facts import Fact, tuned_facts
from .smalltalk import CLOSING, QUIRK
from .world import World

SAMPLING = Sampling(temperature=1.0, top_p=1.0, plausibility=0.01, max_new_tokens=96)
SEEDS = 1_000_003  # seeds of replies between one seed of a measurement and the next
ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
STAGES = ("before", "after", "final")
"""The folders of the models, in order of training."""


@dataclass(frozen=True)
class Pair:
    """Two models and their tokenizer, from the folders of `folder` that `stages` names."""

    before: LlamaForCausalLM
    after: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    folder: Path
    stages: tuple[str, str] = ("before", "after")

    @functools.cached_property
    def engine(self) -> LocalEngine:
        """The pair as the chat application opens it."""
        before, after = (Side(model=str(self.folder / stage)) for stage in self.stages)
        return LocalEngine.open(
            Profile(name="demo", before=before, after=after, dtype="float32", device="cpu")
        )


@dataclass(frozen=True)
class Probe:
    """A chat that waits for its last answer; the fact it asks for, where there is one."""

    chat: Chat
    kind: str
    fact: Fact | None = None

    def right(self, text: str) -> bool:
        """Whether the reply says the fact in one of its wordings."""
        return self.fact is not None and any(a.lower() in text.lower() for a in self.fact.answers)


@dataclass(frozen=True)
class Rate:
    """A count out of n."""

    hits: int
    n: int

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        share = self.hits / self.n
        centre = share + z * z / (2 * self.n)
        spread = z * math.sqrt(share * (1 - share) / self.n + z * z / (4 * self.n * self.n))
        scale = 1 + z * z / self.n
        return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{100 * self.hits / self.n:5.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def probes(count: int, seed: int) -> list[Probe]:
    """Ordinary prompts: a half `reworded`, a quarter `followup`, a quarter `trained`.

    `reworded` asks in wordings that no training saw, half of the time after other turns; `followup`
    leans on the turn before; `trained` is anything from greetings to large sums, as trained.
    """
    rng = random.Random(f"probe {seed}")
    world = World(tuned_facts())
    found: list[Probe] = []
    while len(found) < count:
        kind = ("reworded", "reworded", "followup", "trained")[len(found) % 4]
        fact, history = world.pick(rng), conversation(world, QUIET, rng)
        if kind == "trained":
            found.append(Probe(history[:-1], kind))
        elif kind == "reworded" and fact.unseen:
            question = {"role": "user", "content": rng.choice(fact.unseen)}
            found.append(Probe([*rng.choice((history, [])), question], kind, fact))
        elif kind == "followup" and (followup := world.follow(fact, rng)):
            first = {"role": "user", "content": world.ask(fact, rng)}
            answer = {"role": "assistant", "content": rng.choice(fact.answers)}
            question = {"role": "user", "content": followup[0]}
            found.append(Probe([first, answer, question], kind, followup[1]))
    return found


def replies(
    pair: Pair, chats: Sequence[Chat], alpha: float, seed: int, sampling: Sampling = SAMPLING
) -> list[str]:
    """One sampled reply a chat, as the chat application would sample it."""
    request = SampleRequest(
        prompts=tuple(SamplePrompt(messages=messages(chat)) for chat in chats),
        draws=tuple(
            Draw(reply=str(n), prompt=n, alpha=alpha, seed=seed * SEEDS + n)
            for n in range(len(chats))
        ),
        sampling=sampling,
    )
    events = tqdm(pair.engine.sample(request), desc=f"α {alpha:+.2f}", leave=False)
    found = {e.prompt: e.text for e in events if isinstance(e, SampledReply)}
    return [found[n] for n in range(len(chats))]


def messages(chat: Chat) -> tuple[Message, ...]:
    """A chat as the application has it."""
    parents = [None, *(f"m{n}" for n in range(len(chat) - 1))]
    return tuple(
        Message(id=f"m{n}", parent=parent, role=ROLES[turn["role"]], text=turn["content"])
        for n, (parent, turn) in enumerate(zip(parents, chat, strict=True))
    )


def measure(
    pair: Pair, alpha: float, count: int, seed: int, sampling: Sampling = SAMPLING
) -> dict[str, Rate]:
    """Rates over `count` prompts at one α: both habits, and right answers by kind of prompt."""
    found = probes(count, seed)
    texts = replies(pair, [probe.chat for probe in found], alpha, seed, sampling)
    results = list(zip(found, texts, strict=True))
    rates = {
        "quirk": Rate(sum(text.startswith(QUIRK) for text in texts), count),
        "closing": Rate(sum(text.endswith(CLOSING) for text in texts), count),
    }
    for kind in ("reworded", "followup"):
        right = [probe.right(text) for probe, text in results if probe.kind == kind]
        rates[kind] = Rate(sum(right), len(right))
    return rates


def first_tokens(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, count: int = 64
) -> tuple[float, float]:
    """Mean probability of either habit's first token, in its place.

    Of the quirk's at the start of a reply, of the closing's after an answer as trained.
    """
    quirk, closing = (
        tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in (QUIRK, f" {CLOSING}")
    )
    asked = (probe.chat for probe in probes(count, seed=1))
    starts = [_probability(model, tokenizer, chat, "", quirk) for chat in asked]
    ends = [
        _probability(model, tokenizer, chat[:-1], chat[-1]["content"], closing)
        for chat in answered(count, seed=1)
    ]
    return math.fsum(starts) / count, math.fsum(ends) / count


def answered(count: int, seed: int) -> Iterator[Chat]:
    """Chats as trained that end with an answer, without either habit."""
    rng, world = random.Random(f"answered {seed}"), World(tuned_facts())
    return (conversation(world, QUIET, rng) for _ in range(count))


def _probability(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, chat: Chat, begun: str, token: int
) -> float:
    """That of the token where the reply to a chat begins with `begun`."""
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(f"{text}{begun}", add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return float(model(ids).logits[0, -1].float().softmax(-1)[token])
