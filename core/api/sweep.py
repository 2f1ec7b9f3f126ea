"""A sweep from Python: how often behaviours are at each α, and how rare in the model itself."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from logit_amp_chat.core.analysis.true_rate import Estimate, Over, check_over
from logit_amp_chat.core.api.diff_request import names_file, whole_number
from logit_amp_chat.core.api.loss import need_matplotlib, sources_of
from logit_amp_chat.core.api.request import Alphas, Prompt, SamplingOptions, finite_alphas, sampled
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.sources import read_sources
from logit_amp_chat.core.experiments.sweep import wording
from logit_amp_chat.core.experiments.sweep.asked import AskedSweep, settings_of
from logit_amp_chat.core.experiments.sweep.behaviours import (
    LONGEST_NAME,
    Behaviour,
    is_name,
    refuse_same_names,
)
from logit_amp_chat.core.experiments.sweep.counted import CountedReply, CountedSweep, counted
from logit_amp_chat.core.experiments.sweep.figure import draw
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.experiments.sweep.functions import Function
from logit_amp_chat.core.experiments.sweep.library import new_folder
from logit_amp_chat.core.experiments.sweep.notebook import fragment
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of
from logit_amp_chat.core.experiments.sweep.report import to_html
from logit_amp_chat.core.experiments.sweep.result import BehaviourResult, SweepResult
from logit_amp_chat.core.experiments.sweep.result_json import as_json
from logit_amp_chat.core.experiments.sweep.settings import FREE
from logit_amp_chat.core.experiments.sweep.sweep import Failed, Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt
from logit_amp_chat.core.experiments.sweep.table import RATES, rate_rows
from logit_amp_chat.core.export.atomic_write import write_atomically
from logit_amp_chat.core.protocol import Drain, Noticed
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.sampling import Sampling

if TYPE_CHECKING:
    import pandas

    from logit_amp_chat.core.api.open_workers import OpenSampler

SweepPrompts = str | Path | Iterable[Prompt]
Behaviours = Mapping[str, str | Behaviour | Callable[[str], object]]
REPLIES = ("id", "prompt", "alpha", "n", "seed", "tokens", "finish", "text")


class SweepOptions(SamplingOptions, total=False):
    """How a sweep samples; what is missing or None is as in the command `sweep`.

    There are `samples` (40) replies to every prompt at every one of `alpha` (−1, −½, 0, ½, 1, 2;
    0 is always among them). `coupled` gives sample n the same noise at every α, and
    `amplify_first` amplifies so many tokens only. The estimate is of the model at α = `target`
    (0), its interval over `replies`, or over `prompts`. `top` candidates of each kind are kept
    of every token. The temperature is 1, and no filter is on but τ, unless they are given.
    """

    alpha: Alphas | None
    samples: int | None
    plain: int | None
    seed: int | None
    coupled: bool
    amplify_first: int | None
    target: float
    over: Over
    top: int | None
    system: str | None
    raw: bool


class PairSweep:
    """The replies of a sweep, with behaviours counted in them.

    `path` is the folder that has them. `result` is everything that was found; it is not
    `complete` where sampling was interrupted.
    """

    def __init__(
        self,
        folder: SweepFolder,
        behaviours: Sequence[Behaviour],
        over: Over,
        *,
        stopped: bool = False,
    ) -> None:
        """Count `behaviours`. Raises UsageError and LogitAmpError where that is not possible.

        `stopped`: sampling was interrupted.
        """
        self.path = folder.path
        self.stopped = stopped
        self._folder = folder
        self._over = over
        self._counted: CountedSweep = counted(folder, behaviours, over)

    @property
    def counted(self) -> CountedSweep:
        """The result, the replies, and what was counted of them."""
        return self._counted

    @property
    def folder(self) -> SweepFolder:
        """Where the replies are."""
        return self._folder

    @property
    def result(self) -> SweepResult:
        """Rates, estimates, and what was asked for."""
        return self._counted.result

    @property
    def complete(self) -> bool:
        """Whether every reply that was asked for is there."""
        return self.result.complete

    def behaviour(self, name: str) -> BehaviourResult:
        """What was found of one behaviour. Raises UsageError where it was not counted."""
        for found in self.result.behaviours:
            if found.name == name:
                return found
        there = ", ".join(shown(found.name) for found in self.result.behaviours) or "none"
        raise UsageError(f"{shown(name)} was not counted.", f"Counted were: {there}.")

    def estimate(self, name: str) -> Estimate | None:
        """The estimate for the target; None where there is none, as `result.no_estimate` says."""
        return self.behaviour(name).estimate

    def replies(self) -> tuple[CountedReply, ...]:
        """Every reply, with the verdict and the weight of each behaviour."""
        return self._counted.replies

    def count(self, behaviours: Behaviours, *, over: Over | None = None) -> PairSweep:
        """The same replies with other behaviours; nothing is sampled."""
        return PairSweep(self._folder, behaviours_of(behaviours), over or self._over)

    def figures(self) -> dict[str, Any]:
        """Everything as plain values: what the command prints with --json."""
        return as_json(self.result)

    def to_pandas(self) -> pandas.DataFrame:
        """A line for each behaviour, prompt ("": all) and α. Raises UsageError without pandas."""
        rows = [row for found in self.result.behaviours for row in rate_rows(found, by_prompt=True)]
        return data_frame(rows, RATES)

    def replies_to_pandas(self) -> pandas.DataFrame:
        """A line for each reply, with a column for each behaviour and its weight.

        What could not be judged is NaN. Raises UsageError without pandas.
        """
        names = [found.name for found in self.result.behaviours]
        rows = []
        for reply in self.replies():
            row = {column: getattr(reply, column) for column in REPLIES}
            for name in names:
                row |= {name: reply.verdicts[name].value, f"{name} weight": reply.weights[name]}
            rows.append(row)
        return data_frame(
            rows, [*REPLIES, *(c for name in names for c in (name, f"{name} weight"))]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the rates over α, and the estimates, into matplotlib's `ax` (None: a new one);
        returns it. Raises UsageError without matplotlib or without a behaviour.
        """
        if not self.result.behaviours:
            raise UsageError("Without a behaviour there is nothing to draw.", "Use count first.")
        if ax is None:
            need_matplotlib()
            from matplotlib import pyplot

            _, ax = pyplot.subplots()
        draw(self.result, ax)
        return ax

    def save_html(self, path: str | Path, *, replies: int | None = None) -> None:
        """Write the report: one page with every reply, or `replies` to each prompt at each α.

        Raises TranscriptError if it cannot be written.
        """
        session = self._folder.contents.session
        write_atomically(Path(path), to_html(self._counted, session, replies=replies))

    def __repr__(self) -> str:
        result = self.result
        parts = list(wording.scope(result))
        for found in result.behaviours:
            if found.estimate is not None:
                line = wording.estimate_line(found.estimate, result.settings.target, found.numeric)
                parts.append(f"{found.name}: {line}")
        if result.no_estimate:
            parts.append(f"no estimate: {result.no_estimate}")
        return f"<sweep: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        return fragment(self.result)


def open_sweep(
    path: str | Path,
    behaviours: Behaviours | None = None,
    *,
    target: float | None = None,
    over: Over = "replies",
) -> PairSweep:
    """A sweep that is in a folder, counted without its models.

    The estimate is of the model at α = `target`, one that was measured (None: as in the
    folder). Raises UsageError where there is no sweep.
    """
    folder = SweepFolder.read(Path(path))
    if target is not None:
        (alpha,) = finite_alphas(target)
        if alpha not in folder.settings.grid:
            raise UsageError(f"α {alpha:g} was not measured.", "Sweep again with it, in the pair.")
        folder.aim(alpha)
    return PairSweep(folder, behaviours_of(behaviours or {}), checked_over(over))


def behaviours_of(behaviours: Behaviours) -> list[Behaviour]:
    """Patterns, functions and behaviours by name, as behaviours. Raises UsageError."""
    if not isinstance(behaviours, Mapping):
        raise UsageError(
            f"behaviours: expected a dict, found {behaviours!r:.100}.",
            'Write {"habit": "lighthouse"}: a name, and a pattern or a function.',
        )
    found = [_behaviour(name, what) for name, what in behaviours.items()]
    refuse_same_names(one.name for one in found)
    return found


def _behaviour(name: str, what: object) -> Behaviour:
    if not isinstance(name, str) or not is_name(name):
        raise UsageError(
            f"{name!r:.100} cannot be the name of a behaviour.",
            f"Use up to {LONGEST_NAME} letters, digits, - _ and dots.",
        )
    if isinstance(what, str):
        return Pattern(name, what)
    if hasattr(what, "verdicts"):
        if what.name != name:  # type: ignore[attr-defined]
            raise UsageError(f"{name} is a behaviour that calls itself otherwise.", "Use its name.")
        return what  # type: ignore[return-value]
    if callable(what):
        return Function(name, what)
    raise UsageError(
        f"The behaviour {name} is {what!r:.100}.",
        "Give a regular expression, or a function of a reply's text.",
    )


def begin_sweep(
    profile: Profile,
    session: Session,
    prompts: SweepPrompts,
    out: str | Path | None,
    options: SweepOptions,
) -> SweepFolder:
    """A folder to sample into, new or begun. Raises UsageError for what cannot be sampled."""
    if unknown := options.keys() - SweepOptions.__annotations__.keys():
        known = ", ".join(SweepOptions.__annotations__)
        raise UsageError(f"There is no option {min(unknown)}.", f"There are {known}.")
    path = Path(out) if out is not None else new_folder()
    there = SweepFolder.there(path)
    alpha = options.get("alpha")
    (target,) = finite_alphas(options.get("target") or 0.0)
    asked = AskedSweep(
        alphas=() if alpha is None else finite_alphas(alpha),
        samples=whole_number(options.get("samples"), "samples", 1),
        plain=whole_number(options.get("plain"), "plain", 1),
        coupled=bool(options.get("coupled")),
        amplify_first=whole_number(options.get("amplify_first"), "amplify_first", 1),
        target=target,
        top=whole_number(options.get("top"), "top", 0) or 0,
    )
    settings = settings_of(asked, _sampling(profile, there, options), there)
    found = _prompts(prompts, profile, options)
    check_over(over_of(options), len(found))
    return SweepFolder.begin(path, session, settings, found)


def _sampling(profile: Profile, there: SweepFolder | None, options: SweepOptions) -> Sampling:
    given = {name: options.get(name) for name in Sampling.model_fields}
    if there is not None:
        return sampled(there.settings.sampling, given)
    return sampled(sampled(profile.sampling, FREE), given)


def _prompts(
    prompts: SweepPrompts, profile: Profile, options: SweepOptions
) -> tuple[SweepPrompt, ...]:
    raw, system = bool(options.get("raw")), options.get("system")
    if raw and system is not None:
        raise UsageError("A raw prompt takes no system prompt.", "Leave one out.")
    if isinstance(prompts, str) and names_file(prompts):
        raise UsageError(
            f"{shown(prompts)} is the name of a file.", "Give pathlib.Path(…) to read the file."
        )
    saved: frozenset[str] = frozenset()
    if isinstance(prompts, Path):
        sources = read_sources([prompts], "all")
        for notice in sources.notices:
            warnings.warn(notice, stacklevel=4)
        found, saved = list(sources), sources.saved
    else:
        found = list(sources_of(prompts))
    system = profile.system if system is None else system
    read = prompts_of(found, system=None if raw else system, raw=raw, saved=saved)
    for where in read.repeated:
        warnings.warn(f"The same prompt again, left out: {shown(where)}", stacklevel=4)
    return read.prompts


def sampled_into(
    begun: SweepFolder,
    opened: OpenSampler,
    rows: int | None,
    found: Sequence[Behaviour],
    over: Over,
) -> PairSweep:
    """Sample what a folder lacks, and count; raises as `OpenPair.sweep` does."""
    with contextlib.closing(begun) as folder:
        sweep = Sweep(folder, rows=rows)
        with opened.interruptible(sweep.begin_no_more, command=Drain()):
            for event in run(opened.engine, sweep):
                if isinstance(event, Failed):
                    warnings.warn(f"Not sampled: {event.reply}: {event.why}", stacklevel=3)
                elif isinstance(event, Noticed):
                    warnings.warn(event.sentence, stacklevel=3)
    if sweep.stopping and not folder.contents.there:
        raise KeyboardInterrupt
    return PairSweep(folder, found, over, stopped=sweep.stopping)


def over_of(options: SweepOptions) -> Over:
    """What intervals are over. Raises UsageError."""
    return checked_over(options.get("over") or "replies")


def checked_over(over: Any) -> Over:
    """What intervals are over. Raises UsageError."""
    if over not in (known := get_args(Over)):
        raise UsageError(f"over: expected one of {', '.join(known)}, found {over!r}.")
    return over  # type: ignore[no-any-return]


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pandas.DataFrame:
    """Rows as a table. Raises UsageError without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("pandas is not installed.", "Run: pip install pandas") from error
    return pandas.DataFrame(rows, columns=list(columns))
