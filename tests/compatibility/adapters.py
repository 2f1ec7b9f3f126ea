"""Compares every kind of adapter with PEFT alone: `python -m tests.compatibility.adapters`.

Writes docs/adapters.md. The reference loads one side into a model of its own and runs one
whole forward without a cache; for a side without an adapter PEFT has no part in it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import peft
import torch
from torch import Tensor
from transformers.utils import logging

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.pair_runner import PairRunner
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.pair import Pair, load_pair, prepare
from logit_amp_chat.core.records import PromptIds
from tests.compatibility.adapter_kinds import KINDS, Kind, load_base, save_base, save_kind

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
WITHIN = 1e-4  # nats
PROMPT = (5, 6, 7, 80, 90, 100, 17, 230, 6, 41)
LANES = ((7, 80, 300, 12), (100, 6, 9, 411))
# As the tool does: a fast SVD begins with random numbers.
SEED = 0

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """What became of one kind; `difference` is the largest in nats over both sides."""

    kind: str
    difference: float | None
    sentence: str = ""
    built: bool = True

    @property
    def verdict(self) -> str:
        """A word or two for the table."""
        if self.difference is None:
            return "refused" if self.built else "not measured"
        return "right" if self.difference < WITHIN else "WRONG"

    @property
    def nats(self) -> str:
        """The difference in two digits."""
        return "" if self.difference is None else f"{self.difference:.1e}"


@torch.inference_mode()
def alone(base: Path, adapter: Path | None, ids: Ids) -> Tensor:
    """Log-probabilities (T, V) of one side by itself."""
    model = load_base(base)
    if adapter is not None:
        torch.manual_seed(SEED)
        model = peft.PeftModel.from_pretrained(model, adapter).eval()
    logits: Tensor = model(torch.tensor([ids])).logits[0].float()
    return logits.log_softmax(-1)


def open_sides(base: Path, before: Path | None, after: Path | None) -> Pair:
    """The pair as a chat opens it. Raises PairError."""
    sides = {
        name: {"model": str(base)} | ({"adapter": str(adapter)} if adapter else {})
        for name, adapter in (("before", before), ("after", after))
    }
    shape = {"name": "t", "dtype": "float32", "device": "cpu", "quantization": "none"}
    pair = load_pair(Profile.model_validate(shape | sides))
    prepare(pair)
    return pair


def compare(base: Path, before: Path | None, after: Path | None) -> tuple[float, str]:
    """The largest difference in nats from `alone`, and the notice about the weights.

    A prompt, then two lanes token by token.
    """
    pair = open_sides(base, before, after)
    runner = PairRunner(pair)
    [*runner.prefill(PromptIds(before=PROMPT, after=PROMPT), ())]
    first = [logits.log_softmax(-1) for logits in runner.logits]
    runner.expand(len(LANES))
    steps: list[list[Tensor]] = []
    for tokens in zip(*LANES, strict=True):
        steps.append([logits.log_softmax(-1) for logits in runner.decode(torch.tensor(tokens))])
        runner.append_tokens(tokens)
    worst = 0.0
    for side, adapter in enumerate((before, after)):
        for lane, reply in enumerate(LANES):
            ours = torch.stack([first[side][-1], *(step[side][lane] for step in steps)])
            theirs = alone(base, adapter, PROMPT + reply)[len(PROMPT) - 1 :]
            worst = max(worst, float((ours - theirs).abs().max()))
    return worst, next((notice for notice in pair.notices if "separately" in notice), "")


def measure(name: str, kind: Kind, folder: Path) -> Row:
    """One row: the adapter on `after`, on `before`, and another of its kind on the other side."""
    base = save_base(folder / "base", kind.model)
    try:
        one, other = (save_kind(kind, base, folder / f"a{seed}", seed) for seed in (1, 2))
    except (ImportError, AssertionError) as error:
        return Row(name, None, f"Not built here: {error}", built=False)
    sides: Sequence[tuple[Path | None, Path | None]] = ((None, one), (one, None), (one, other))
    try:
        compared = [compare(base, *pair) for pair in sides]
    except LogitAmpError as error:
        return Row(name, None, _anonymous(str(error), folder))
    effect = (alone(base, one, PROMPT) - alone(base, None, PROMPT)).abs().max()
    assert effect > 20 * WITHIN, f"{name} does nothing"
    notices = dict.fromkeys(_anonymous(notice, folder) for _, notice in compared if notice)
    return Row(name, max(worst for worst, _ in compared), " ".join(notices))


def _anonymous(sentence: str, folder: Path) -> str:
    return sentence.replace(f"{folder}/a1", "NAME").replace(f"{folder}/a2", "OTHER")


def rows(kinds: dict[str, Kind], report: Callable[[str], None]) -> Iterator[Row]:
    """Measure these kinds, one after the other."""
    for name, kind in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            row = measure(name, kind, Path(folder))
        report(f"{row.kind:40} {row.verdict:8} {row.nats:8} {row.sentence}")
        yield row


HEAD = f"""# Which adapters work

Every kind of adapter that PEFT {version("peft")} makes for causal language models, on tiny random
models in float32 on a CPU, compared with PEFT alone: each side in a model of its own, one whole
forward without a cache, against a prompt and two lanes decoded token by token. Each adapter was
on `after`, on `before`, and opposite another of its kind. "Right" means that no
log-probability differs by more than {WITHIN} nats on either side.

A side without an adapter is the base as it is on disk. Where loading an adapter changes the
base's weights or structure, or PEFT cannot hold both adapters in one model, each side is loaded
separately, and a notice says so. What cannot be decoded token by token is refused before any
weight is loaded; so is a kind that is not in this table.

`python -m tests.compatibility.adapters` measures and writes this page anew.

| kind | | difference, nats | what the tool says |
| --- | --- | --- | --- |
"""


def table(measured: Sequence[Row]) -> str:
    """The page docs/adapters.md."""
    lines = [f"| {row.kind} | {row.verdict} | {row.nats} | {row.sentence} |" for row in measured]
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Measure all kinds and write the page; 1 if a number is wrong."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    measured = [*rows(KINDS, lambda line: print(line, flush=True))]
    PAGE.write_text(table(measured), encoding="utf-8")
    return int(any(row.verdict == "WRONG" for row in measured))


if __name__ == "__main__":
    sys.exit(main())
