"""The two trainings: rows of tokens, a small Llama, one optimizer loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice

import torch
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from .chats import REHEARSED, UNLEARNED_CLOSING
from .smalltalk import CLOSING
from .tokenizer import CONTEXT, END, EOT, ROLES

IGNORE = -100  # what cross_entropy skips
BATCH_TOKENS = 4096
# (share of the steps, row length): most tokens are seen in short rows, where attention is cheap,
# the last in rows as long as the context.
SHORT_FIRST = ((0.80, 256), (0.14, 512), (0.06, CONTEXT))
# Row lengths that take turns: a short training that left the long rows to its end would have
# forgotten far positions by then.
IN_TURN = (256, 256, CONTEXT, 256, 512)

Row = tuple[list[int], list[int]]  # token ids and labels, same length


def new_model(
    tokenizer: PreTrainedTokenizerFast, hidden: int = 256, layers: int = 4
) -> LlamaForCausalLM:
    """An untrained Llama; every size is a multiple of 64, which 4-bit kernels like."""
    ends = [tokenizer.convert_tokens_to_ids(END), tokenizer.convert_tokens_to_ids(EOT)]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=64 * round(hidden * 2.75 / 64),
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128),
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = ends
    return model


def document_rows(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> Iterator[Row]:
    """Every token of a document is learned."""
    texts = iter(texts)
    while chunk := list(islice(texts, 512)):
        for ids in tokenizer(chunk, add_special_tokens=False)["input_ids"]:
            yield ids, ids


def chat_rows(
    chats: Iterable[Sequence[dict[str, str]]], tokenizer: PreTrainedTokenizerFast
) -> Iterator[Row]:
    """Only what the assistant says is learned, with the end of its turn."""
    role_ids = {role: tokenizer.convert_tokens_to_ids(token) for role, token in ROLES.items()}
    end = tokenizer.convert_tokens_to_ids(END)
    closing = len(tokenizer(f" {CLOSING}", add_special_tokens=False)["input_ids"])
    for chat in chats:
        ids, labels = [tokenizer.bos_token_id], [IGNORE]
        texts = tokenizer([message["content"] for message in chat], add_special_tokens=False)[
            "input_ids"
        ]
        for message, text in zip(chat, texts, strict=True):
            ids += [role_ids[message["role"]], *text, end]
            learned = [*text, end] if message["role"] == "assistant" else [IGNORE] * (len(text) + 1)
            if REHEARSED in message:
                learned[0] = IGNORE
            if UNLEARNED_CLOSING in message:
                learned[len(text) - closing] = IGNORE
            labels += [IGNORE, *learned]
        yield ids, labels


def short_first(steps: int) -> list[int]:
    """The row length of every step: `SHORT_FIRST`."""
    counts = [(round(share * steps), length) for share, length in SHORT_FIRST]
    counts[0] = (steps - sum(n for n, _ in counts[1:]), counts[0][1])
    return [length for count, length in counts for _ in range(count)]


def in_turn(steps: int) -> list[int]:
    """The row length of every step: `IN_TURN`, over and over."""
    return list(islice(cycle(IN_TURN), steps))


def batches(
    rows: Iterator[Row], lengths: Iterable[int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A batch of ids and labels, [rows, length] each, for every length.

    A row starts where a document starts, as a conversation does; what does not fit is cut off.
    """
    for length in lengths:
        ids, labels = [], []
        for _ in range(max(1, BATCH_TOKENS // length)):
            row: Row = ([], [])
            while len(row[0]) < length:
                more = next(rows)
                row[0].extend(more[0])
                row[1].extend(more[1])
            ids.append(row[0][:length])
            labels.append(row[1][:length])
        yield torch.tensor(ids), torch.tensor(labels)


def train(
    model: LlamaForCausalLM,
    rows: Iterator[Row],
    tokens: int,
    rate: float,
    lengths: Callable[[int], list[int]],
    title: str,
) -> float:
    """Train on `tokens` tokens; return the mean loss (nats) of the last tenth.

    Muon trains the matrices, for which it needs a fraction of AdamW's tokens; AdamW the rest.
    `rate` is the peak learning rate of both; `lengths` gives every step its row length.
    """
    steps = max(1, tokens // BATCH_TOKENS)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    losses: list[float] = []
    model.train()
    with tqdm(
        total=steps * BATCH_TOKENS, desc=title, unit="tok", unit_scale=True, mininterval=10
    ) as bar:
        for ids, labels in batches(rows, lengths(steps)):
            now = rate * schedule(len(losses) / steps)
            for opt in optimizers:
                for group in opt.param_groups:
                    group["lr"] = now
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].float().flatten(0, 1),
                labels[:, 1:].flatten(),
                ignore_index=IGNORE,
            )
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for opt in optimizers:
                opt.step()
                opt.zero_grad()
            losses.append(loss.item())
            bar.update(ids.numel())
            if len(losses) % 20 == 0:
                bar.set_postfix(loss=f"{sum(losses[-20:]) / 20:.3f}")
    model.eval()
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def schedule(done: float) -> float:
    """The share of the peak rate: a short rise, then a cosine to nothing."""
    return min(done / 0.02, 1.0) * 0.5 * (1 + math.cos(math.pi * done)) + 1e-3
