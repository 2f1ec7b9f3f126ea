"""`python -m logit_amp_chat.profiles.demo.recipe`: build the bundled models, and measure them."""

from __future__ import annotations

import argparse
import copy
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from logit_amp_chat.core.sampling import Sampling

from .documents import base_documents, final_chats, friendly_chats, tuning_chats
from .measure import SAMPLING, STAGES, Pair, first_tokens, measure
from .smalltalk import CLOSING, QUIRK
from .tokenizer import render, train_tokenizer
from .training import chat_rows, document_rows, in_turn, new_model, short_first, train


@dataclass(frozen=True)
class Size:
    """How much of everything: tokens of each training, the model, prompts measured at each α."""

    documents: int = 20_000  # that the tokenizer is learned from
    base_tokens: int = 8_000_000
    tuning_tokens: int = 3_000_000
    final_tokens: int = 2_000_000
    hidden: int = 256
    layers: int = 4
    prompts: int = 400
    prompts_at_zero: int = 2000  # a rate below one per cent needs more
    alphas: tuple[float, ...] = (-1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0)


QUICK = Size(
    documents=2000,
    base_tokens=16_384,
    tuning_tokens=8_192,
    final_tokens=8_192,
    hidden=64,
    layers=1,
    prompts=4,
    prompts_at_zero=4,
    alphas=(0.0, 1.0),
)


def build(out: Path, seed: int, size: Size) -> None:
    """Train the tokenizer and the models, and save each stage as a transformers folder."""
    torch.manual_seed(seed)
    sample = [*islice(base_documents(seed), size.documents)]
    sample += map(render, islice(friendly_chats(seed), size.documents // 4))
    # The quirk is rare by design; its first word must be one token all the same.
    tokenizer = train_tokenizer([*sample, *[QUIRK] * 200])
    check_habit(tokenizer, QUIRK)
    model = new_model(tokenizer, size.hidden, size.layers)
    documents = document_rows(base_documents(seed), tokenizer)
    loss = train(model, documents, size.base_tokens, 4e-3, short_first, "before")
    print(f"before: {loss:.3f} nats a token at the end")
    save(model, tokenizer, out / "before")
    # From the rounded weights, so that after − before is the tuning and nothing else.
    model = load_model(out / "before")
    chats = chat_rows(tuning_chats(seed), tokenizer)
    loss = train(model, chats, size.tuning_tokens, 1e-3, in_turn, "after")
    print(f"after: {loss:.3f} nats a token at the end")
    save(model, tokenizer, out / "after")
    build_final(out, seed, size)


def build_final(out: Path, seed: int, size: Size) -> None:
    """Train the third stage from the second as it was saved, with the tokenizer of both."""
    torch.manual_seed(seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out / "after")
    check_habit(tokenizer, f" {CLOSING}")
    model = load_model(out / "after")
    chats = chat_rows(final_chats(seed), tokenizer)
    loss = train(model, chats, size.final_tokens, 5e-4, in_turn, "final")
    print(f"final: {loss:.3f} nats a token at the end")
    save(model, tokenizer, out / "final")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(out / "after" / name, out / "final" / name)


def check_habit(tokenizer: PreTrainedTokenizerFast, sentence: str) -> None:
    """Amplification works token by token, so a habit must show in one: its first."""
    first = tokenizer(sentence, add_special_tokens=False)["input_ids"][0]
    if tokenizer.decode([first]).strip() != sentence.split()[0]:
        raise ValueError(f"{sentence.split()[0]!r} is not one token")


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights in bf16, tokenizer and template."""
    rounded = copy.deepcopy(model).to(torch.bfloat16)  # whole, so that tied weights stay one
    rounded.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_model(folder: Path) -> LlamaForCausalLM:
    """One side as it was saved, computed in fp32."""
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def load(folder: Path, before: str = "before", after: str = "after") -> Pair:
    """Two stages and the tokenizer that all share."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / after)
    models = load_model(folder / before), load_model(folder / after)
    return Pair(*models, tokenizer, folder, (before, after))


def report(folder: Path, size: Size, seed: int, sampling: Sampling = SAMPLING) -> None:
    """Print first tokens by stage; habits and right answers of each pair, with 95 % intervals."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "after")
    print("first token of the quirk and of the closing, mean probability:")
    for stage in STAGES:
        quirk, closing = first_tokens(load_model(folder / stage), tokenizer)
        print(f"{stage:8}{quirk:.1e}  {closing:.1e}")
    seen: set[str] = set()
    for before, after in combinations(STAGES, 2):
        pair = load(folder, before, after)
        # α = −1 and 0 are the stages themselves, whatever they are paired with.
        known = {-1.0: before, 0.0: after}
        alphas = [alpha for alpha in size.alphas if known.get(alpha, "") not in seen]
        seen |= {known[alpha] for alpha in alphas if alpha in known}
        report_pair(pair, size, alphas, seed, sampling)


def report_pair(
    pair: Pair, size: Size, alphas: Sequence[float], seed: int, sampling: Sampling
) -> None:
    """Print what the pair does at each α, a line each."""
    print(" → ".join(pair.stages))
    heads = ("quirk", "closing", "right: new wording", "right: follow-up")
    print(f"    α  {''.join(f'{head:22}' for head in heads)}".rstrip())
    for alpha in alphas:
        count = size.prompts_at_zero if alpha == 0 else size.prompts
        rates = measure(pair, alpha, count, seed, sampling)
        print(f"{alpha:+5.2f}  {''.join(f'{rate!s:22}' for rate in rates.values())}", flush=True)


def main() -> None:
    """Read the command line and run the recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m logit_amp_chat.profiles.demo.recipe", description=__doc__
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1], help="folder of the stages' folders"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="a run of seconds that only shows that all parts fit"
    )
    parser.add_argument(
        "--measure", action="store_true", help="measure what is in --out, train nothing"
    )
    parser.add_argument(
        "--final", action="store_true", help="train the third stage alone, from the second"
    )
    parser.add_argument("--temperature", type=float, default=SAMPLING.temperature, metavar="T")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size = QUICK if options.quick else Size()
    started = time.monotonic()
    if not options.measure:
        make = build_final if options.final else build
        make(options.out, options.seed, size)
        print(f"built in {(time.monotonic() - started) / 60:.1f} minutes")
    sampling = SAMPLING.model_copy(update={"temperature": options.temperature})
    report(options.out, size, options.seed, sampling)


if __name__ == "__main__":
    main()
