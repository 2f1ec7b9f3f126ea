"""What the pair does: how often the quirk appears, and how often an answer is right, at each α."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerFast

from logit_amp_chat.core.decoding.amplification import log_probs, mix
from logit_amp_chat.core.decoding.sampling import Filters, filtered, pick
from logit_amp_chat.core.records import Sampling

from .chats import QUIET, Chat, conversation
from .facts import Fact, tuned_facts
from .smalltalk import QUIRK
from .world import World

SAMPLING = Sampling(temperature=1.0, top_p=1.0, plausibility=0.01, max_new_tokens=96)
ROWS = 64  # prompts decoded side by side


@dataclass(frozen=True)
class Pair:
    """The two models and their tokenizer."""

    before: LlamaForCausalLM
    after: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast


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


@torch.inference_mode()
def replies(
    pair: Pair, chats: Sequence[Chat], alpha: float, seed: int, sampling: Sampling = SAMPLING
) -> list[str]:
    """One sampled reply a chat, by the same mixing and filters that the chat application uses."""
    texts = pair.tokenizer.apply_chat_template(
        list(chats), add_generation_prompt=True, tokenize=False
    )
    batch = pair.tokenizer(
        texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
    )
    ids, mask = batch["input_ids"], batch["attention_mask"]
    models = (pair.before, pair.after)
    caches = [DynamicCache(config=model.config) for model in models]
    generator = torch.Generator().manual_seed(seed)
    ends = set(pair.after.generation_config.eos_token_id)
    said: list[list[int]] = [[] for _ in texts]
    rows = list(range(len(texts)))  # the replies that still go on
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    for _ in range(sampling.max_new_tokens):
        before, after = (
            log_probs(
                model(
                    ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                ).logits[:, -1]
            )
            for model, cache in zip(models, caches, strict=True)
        )
        strength = torch.full((len(rows), 1), float(alpha))
        amplified = mix(before, after, strength).log_softmax(dim=-1)
        noise = -torch.empty_like(amplified).exponential_(generator=generator).log()
        token = pick(filtered(amplified, after, strength, Filters.of(sampling)), noise)
        keep = [i for i, choice in enumerate(token.tolist()) if choice not in ends]
        rows = [rows[i] for i in keep]
        if not rows:
            break
        kept = torch.tensor(keep)
        for cache in caches:
            cache.batch_select_indices(kept)
        ids, positions = token[kept, None], positions[kept, -1:] + 1
        mask = torch.cat((mask[kept], torch.ones_like(ids)), dim=-1)
        for row, choice in zip(rows, ids[:, 0].tolist(), strict=True):
            said[row].append(choice)
    replied: list[str] = pair.tokenizer.batch_decode(said, skip_special_tokens=True)
    return replied


def measure(
    pair: Pair, alpha: float, count: int, seed: int, sampling: Sampling = SAMPLING
) -> dict[str, Rate]:
    """Rates over `count` prompts at one α: the `quirk`, and right answers by kind of prompt."""
    found = probes(count, seed)
    # similar lengths side by side: padding costs time
    found.sort(key=lambda probe: sum(len(message["content"]) for message in probe.chat))
    results: list[tuple[Probe, str]] = []
    for start in tqdm(range(0, count, ROWS), desc=f"α {alpha:+.1f}", unit="batch", leave=False):
        part = found[start : start + ROWS]
        texts = replies(pair, [probe.chat for probe in part], alpha, seed + start, sampling)
        results += zip(part, texts, strict=True)
    rates = {"quirk": Rate(sum(text.startswith(QUIRK) for _, text in results), count)}
    for kind in ("reworded", "followup"):
        right = [probe.right(text) for probe, text in results if probe.kind == kind]
        rates[kind] = Rate(sum(right), len(right))
    return rates


def first_token(pair: Pair, count: int = 64) -> tuple[float, float]:
    """Mean probability that a reply starts with the quirk's first token: before, after."""
    token = pair.tokenizer(QUIRK, add_special_tokens=False)["input_ids"][0]
    totals = [0.0, 0.0]
    for probe in probes(count, seed=1):
        text = pair.tokenizer.apply_chat_template(
            probe.chat, add_generation_prompt=True, tokenize=False
        )
        ids = pair.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        for i, model in enumerate((pair.before, pair.after)):
            with torch.inference_mode():
                totals[i] += model(ids).logits[0, -1].float().softmax(-1)[token].item() / count
    return totals[0], totals[1]
