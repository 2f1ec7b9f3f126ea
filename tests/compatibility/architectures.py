"""Every architecture that transformers can build, against transformers alone.

    python -m tests.compatibility.architectures [KIND …] [--write]

For each one a pair of tiny random models is opened, a chat is held in chunks, steps, three
lanes, a second turn, an edited message and a branch, and every listed log-probability is
compared with whole forward passes. `--write` puts the table into docs/architectures.md.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.cache_limits import has_experts, has_indexer
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError, first_line
from tests.compatibility.command import parser, quieten
from tests.compatibility.random_models import architectures, save_random_pair
from tests.compatibility.reference import CHUNK, differences, whole_pass
from tests.models import tiny_tokenizer

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
HEAD = """# Which architectures work

Every model type that transformers {version} opens for next-token prediction, as a pair of tiny
random models in float32 on a CPU, compared with transformers alone: one whole forward pass
without a cache for every token of a chat (a prompt in chunks of {chunk} tokens, three lanes, a
second turn, a branch with given tokens, an edited message). "Right" means that no listed
log-probability differs by more than {right} nats on either side; "right but for rounding", that
a few do and the mean does not reach a tenth of that; "right but for ties", that tokens were
routed to other experts, or attended to other tokens, at scores that are equal.

"Caches" is what they may be used for, as found on opening: *turns* (all there is), *chunks*
(every request reads the whole conversation again), *lanes* (in one piece), *one_lane* (lanes one
after the other), *none* (every token reads the whole conversation again). "Not built" are
configurations that the rule for small ones does not fit.

`python -m tests.compatibility.architectures --write` measures and writes this page anew.

{counts}

"""
RIGHT = 1e-3
# Mean difference in nats of states that are rounded more coarsely in steps than in one piece.
ROUNDING = 1e-4
# Mean difference in nats that a few other choices of experts or tokens may make.
FLIPS = 0.1


@dataclass(frozen=True)
class Result:
    """What became of an architecture: right (with its caches' use), wrong, refused, not built."""

    kind: str
    verdict: str
    use: str = ""
    difference: float | None = None
    note: str = ""


def examine(kind: str) -> Result:
    """Build, open and compare one architecture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            save_random_pair(kind, folder)
        except Exception as error:  # the rule does not fit every configuration
            return Result(kind, "not built", note=f"{type(error).__name__}: {first_line(error)}")
        try:
            engine = LocalEngine.open(profile(folder))
        except LogitAmpError as error:
            return Result(kind, "refused", note=error.message.replace(f"{name}/", ""))
        except Exception as error:
            return Result(kind, "CRASH", note=f"{type(error).__name__}: {first_line(error)}")
        sides = [
            whole_pass(
                AutoModelForCausalLM.from_pretrained(folder / side, dtype=torch.float32).eval(),
                len(tiny_tokenizer()),
            )
            for side in ("before", "after")
        ]
        found = differences(engine, *sides)
        checks = (engine.opened.session.caches or {}).values()
        levels = sorted({check.use for check in checks})
        failed = [why for check in checks for why in check.failed.values()]
        config = engine.pair.after.text_config
        chooses = has_experts(config) or has_indexer(config)
        verdict = "right" if max(found) <= RIGHT else "WRONG"
        mean = sum(found) / len(found)
        if verdict == "WRONG" and (mean <= ROUNDING or (chooses and mean <= FLIPS)):
            verdict = "right but for ties" if chooses else "right but for rounding"
        return Result(kind, verdict, " ".join(levels), max(found), next(iter(failed), ""))


def profile(folder: Path) -> Profile:
    """The pair in a folder, in float32 on the CPU."""
    sides = {side: {"model": str(folder / side)} for side in ("before", "after")}
    return Profile.model_validate({**sides, "name": "t", "dtype": "float32", "device": "cpu"})


def page(results: Sequence[Result]) -> str:
    """The results as Markdown."""
    verdicts = Counter(one.verdict for one in results)
    head = HEAD.format(
        version=transformers.__version__,
        chunk=CHUNK,
        right=RIGHT,
        counts=", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()) + ".",
    )
    rows = ["| architecture | | caches | difference, nats | why |", "|" + " --- |" * 5]
    for one in results:
        difference = "" if one.difference is None else f"{one.difference:.1e}"
        note = one.note.replace("|", "\\|")[:160]
        rows.append(f"| {one.kind} | {one.verdict} | {one.use} | {difference} | {note} |")
    return head + "\n".join(rows) + "\n"


def main() -> None:
    arguments = parser(__doc__, "kinds").parse_args()
    quieten()
    results = []
    for kind in arguments.kinds or architectures():
        results.append(examine(kind))
        print(results[-1], flush=True)
    if arguments.write:
        PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
