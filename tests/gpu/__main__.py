"""What a GPU does here, proved by one command; a run that is cut off goes on where it stopped.

    python -m tests.gpu [--out DIR] [--minutes 9]

runs the steps of the plan one after the other, each in a process of its own with a time
limit, and writes DIR/results.json and DIR/results.md after every finding.
"""

from __future__ import annotations

import argparse
import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.system.parent import end_with_parent
from tests.gpu import plan, report, wheels
from tests.gpu.machine import described
from tests.gpu.pairs import Place
from tests.gpu.results import Results
from tests.gpu.runner import run


def main() -> int:
    """Run what is pending; 0 if every step is done, 1 if some are left, 2 if none can be run."""
    options = _options()
    try:
        if options.report:
            report.write(options.report)
            return 0
        if options.wheels:
            print("\n".join(wheels.needed()))
            return 0
        if options.plan:
            print(plan.described())
            return 0
        if not options.dry_run and not torch.cuda.is_available():
            print(
                "torch finds no GPU on this machine. --dry-run walks through every step on the"
                " CPU; --plan lists them.",
                file=sys.stderr,
            )
            return 2
        place = Place("cpu" if options.dry_run else "cuda", small=options.dry_run)
        if options.watched:
            parent = Connection(sys.stdin.fileno(), writable=False)  # closed where nothing holds it
            end_with_parent(parent)
        if options.step:
            for finding in plan.STEPS[options.step].run(place):
                print(json.dumps(finding), flush=True)
            return 0
        results = Results.opened(options.out, described())
        return 0 if run(results, place, options.minutes, options.only) else 1
    except LogitAmpError as error:
        print(f"{error} {error.remedy}".strip(), file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/gpu"),
        metavar="DIR",
        help="results, to go on with",
    )
    parser.add_argument(
        "--minutes", type=float, default=9.0, metavar="M", help="end by then [default: 9]"
    )
    parser.add_argument(
        "--only", action="append", choices=list(plan.STEPS), help="only this step; may be repeated"
    )
    parser.add_argument("--plan", action="store_true", help="list the steps with their minutes")
    parser.add_argument(
        "--wheels", action="store_true", help="list the packages that are needed beside torch"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="walk through the steps on the CPU, on tiny shapes"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=report.PERFORMANCE,
        help="write the GPU part of docs/performance.md from docs/gpu/*.json",
    )
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=list(plan.STEPS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
