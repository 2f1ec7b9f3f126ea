"""The folder of a sweep: its settings, prompts and replies, a line each, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.record_file import FileKind, read_records
from logit_amp_chat.core.experiments.result_file import VERSION, ResultFile, pair_identity
from logit_amp_chat.core.experiments.sweep.reply_lines import (
    LINES,
    Scores,
    plain,
    reply_fields,
    scores_fields,
    validated,
    whole_reply,
    whole_scores,
)
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.records import PromptIds, Session, TemplateValue
from logit_amp_chat.core.samples import PromptRead, Rescored
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line

FILE = "sweep.jsonl"
CHAIN = "chain.json"
"""The folder of a chain has this file, and a folder for the sweep of each pair."""

KIND = FileKind(None, "a sweep", "replies", "Choose another folder with --out", "sweep")
ELSEWHERE = f"{KIND.remedy}."

_PROMPTS: TypeAdapter[list[SweepPrompt]] = TypeAdapter(list[SweepPrompt], config=LINES)


@dataclass
class Contents:
    """What the file of a sweep says, but its replies: those are read one at a time."""

    settings: SweepSettings
    session: Session
    prompts: tuple[SweepPrompt, ...] = ()
    ids: dict[str, PromptIds] = field(default_factory=dict)
    """The ids of each prompt, with those of the text that replies begin with."""
    forced: dict[str, int] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    """The ids of the replies."""
    grids: set[tuple[float, ...]] = field(default_factory=set)
    """The αs at which replies were measured as they were sampled."""
    scores: dict[str, Scores] = field(default_factory=dict)
    seconds: float = 0.0
    """The time that sampling took, of the runs that came to their end."""
    timed_tokens: int = 0
    """The tokens of the replies that these runs sampled."""
    settled: bool = True
    """Whether every reply that was begun is there: short ones are there first."""
    damaged: int = 0
    published: Mapping[str, Any] | None = None
    """What the file of a published sweep says of its sampling; None for one sampled here."""


class SweepFolder:
    """A sweep on the disk. One program writes it; others may read it meanwhile."""

    def __init__(
        self,
        path: Path,
        file: ResultFile | None,
        contents: Contents,
        held: Sequence[SweepReply] | None = None,
    ) -> None:
        """Use `begin` to write, `read` to read alone; `held` are replies without a folder."""
        self.path = path
        self.contents = contents
        self._file = file
        self._held = held

    @classmethod
    def begin(
        cls,
        path: Path,
        session: Session,
        settings: SweepSettings,
        prompts: Sequence[SweepPrompt],
    ) -> SweepFolder:
        """Begin a sweep, or go on with one: αs and samples may be added.

        Raises UsageError where the folder has another sweep, with what differs, and
        TranscriptError where it cannot be written.
        """
        _refuse_chain(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"Cannot make {shown(path)}: {error.strerror}.", ELSEWHERE) from error
        header = {
            "version": VERSION,
            "time": session.time,
            "settings": settings.fixed,
            "pair": pair_identity(session),
            "session": json.loads(to_line(session)),
        }
        file = ResultFile(path / FILE, header, KIND)
        try:
            contents = _contents([file.header, *_without_replies(file.lines())])
            contents.damaged += file.damaged
            folder = cls(path, file, contents)
            folder._take_prompts(prompts)
            folder._take_plan(settings)
        except BaseException:
            file.close()
            raise
        return folder

    @classmethod
    def read(cls, path: Path) -> SweepFolder:
        """A sweep as it is, to be counted. Raises UsageError where there is none."""
        _refuse_chain(path)
        try:
            lines = list(_without_replies(read_records(path / FILE, KIND)))
        except OSError as error:
            raise UsageError(
                f"There is no sweep in {shown(path)}: {error.strerror}.",
                "Name the folder of one, or give --prompts to begin one there.",
            ) from error
        whole = [line for line in lines if line is not None]
        if not whole:
            raise UsageError(f"There is no sweep in {shown(path)}.", "Give --prompts to begin one.")
        contents = _contents(whole)
        contents.damaged += sum(line is None for line in lines)
        return cls(path, None, contents)

    @classmethod
    def there(cls, path: Path) -> SweepFolder | None:
        """The sweep of a folder that one goes on with; None where none has begun. As `read`."""
        _refuse_chain(path)
        file = path / FILE
        # Without a whole header, as after a full disk, it begins anew.
        if not file.exists() or not any(read_records(file, KIND)):
            return None
        folder = cls.read(path)
        return folder if folder.has_begun else None

    @property
    def settings(self) -> SweepSettings:
        """Those of the sweep, with all αs that were added."""
        return self.contents.settings

    @property
    def prompts(self) -> tuple[SweepPrompt, ...]:
        """Its prompts."""
        return self.contents.prompts

    @property
    def has_begun(self) -> bool:
        """Whether it is known what to sample: not if it was killed before that was written."""
        return bool(self.prompts) and self.settings.samples > 0

    @property
    def time(self) -> str:
        """The moment that templates may write."""
        return self.contents.session.time

    @property
    def template(self) -> dict[str, TemplateValue] | None:
        """The variables of the chat template; None where they were not recorded."""
        found = self.contents.session.profile.get("template")
        return found if isinstance(found, dict) else None

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of before and after where they are stages of a chain."""
        found = self.contents.session.profile.get("pair")
        return tuple(map(str, found)) if isinstance(found, list | tuple) else ()

    def aim(self, target: float) -> None:
        """Let the estimate be about the model at α = `target`, which is in the grid."""
        self.contents.settings = checked(replace(self.settings, target=target))

    def replies(self) -> Iterator[SweepReply]:
        """Every reply, with the log-probabilities that were added later."""
        if self._held is not None:
            yield from self._held
            return
        there, prompts = set[str](), {prompt.id for prompt in self.prompts}
        for line in read_records(self.path / FILE, KIND):
            if line is None or line["type"] != "sampled":
                continue
            reply = whole_reply(line)
            # Another program may have added αs since; of a damaged prompt nothing is known.
            if reply is None or reply.id in there or reply.alpha not in self.settings.alphas:
                continue
            if reply.prompt in prompts:
                there.add(reply.id)
                scores = self.contents.scores.get(reply.id)
                yield scores.added_to(reply) if scores else reply

    def add(self, reply: SweepReply) -> None:
        """Write a reply; it is on the disk when this returns. Raises TranscriptError."""
        self._append("sampled", reply_fields(reply))
        self.contents.there.add(reply.id)
        self.contents.grids.add(reply.grid)
        self.contents.settled = False

    def settle(self, seconds: float, tokens: int) -> None:
        """Note that every reply that was begun is there: this run sampled so many tokens."""
        self._append("settled", {"seconds": round(seconds, 3), "tokens": tokens})
        self.contents.seconds += seconds
        self.contents.timed_tokens += tokens
        self.contents.settled = True

    def add_prompt(self, prompt: SweepPrompt, read: PromptRead) -> None:
        """Write the ids of a prompt, once."""
        if prompt.id in self.contents.ids:
            return
        fields = {"before": read.ids.before, "after": read.ids.after, "forced": read.forced}
        self._append("prompt-ids", {"prompt": prompt.id, **fields})
        self.contents.ids[prompt.id] = read.ids
        self.contents.forced[prompt.id] = read.forced

    def add_scores(self, grid: tuple[float, ...], rescored: Rescored) -> None:
        """Write the log-probabilities of a reply at the αs of `grid`."""
        scores = Scores(reply=rescored.reply, grid=grid, log_q=rescored.log_probs.q)
        self._append("scores", scores_fields(scores))
        self.contents.scores[scores.reply] = _joined(self.contents, scores)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file:
            self._file.close()

    def _append(self, kind: str, fields: Mapping[str, Any]) -> None:
        assert self._file is not None, "this folder was opened to be read"
        self._file.append(kind, fields)

    def check_prompts(self, prompts: Sequence[SweepPrompt]) -> None:
        """Raise UsageError where the sweep is not over these, with the first that differs."""
        there, here = [p.key for p in self.prompts], [p.key for p in prompts]
        if there == here:
            return
        number = next(
            (n for n, pair in enumerate(zip(there, here, strict=False), 1) if len({*pair}) > 1),
            min(len(there), len(here)) + 1,
        )
        raise UsageError(
            f"{shown(self.path)} has a sweep over other prompts: {len(there):,} there,"
            f" {len(here):,} now, and number {number:,} is the first that differs.",
            ELSEWHERE,
        )

    def _take_prompts(self, prompts: Sequence[SweepPrompt]) -> None:
        known = {prompt.id: prompt.key for prompt in self.prompts}
        lost = [prompt for prompt in prompts if prompt.id not in known]
        same = known.items() <= {prompt.id: prompt.key for prompt in prompts}.items()
        # A program that was killed while it began, or a damaged line, leaves some out.
        if same and (not lost or not self.contents.there or self.contents.damaged):
            for prompt in lost:
                self._append("prompt", plain(_PROMPTS, prompt))
            if lost:
                self.contents.prompts = tuple(prompts)
            return
        self.check_prompts(prompts)

    def _take_plan(self, settings: SweepSettings) -> None:
        """Add αs and samples to those that are there."""
        was = self.settings
        plan = replace(
            settings,
            alphas=tuple(sorted({*was.alphas, *settings.alphas})),
            further=tuple(sorted({*was.further, *settings.further})),
            samples=max(was.samples, settings.samples),
            plain=max(was.plain, settings.plain),
        )
        self.contents.settings = checked(plan)
        if _plan(was) != _plan(plan):
            self._append("plan", _plan(plan))


def _refuse_chain(path: Path) -> None:
    """Raise UsageError for the folder of a chain."""
    if (path / CHAIN).exists():
        raise UsageError(
            f"{shown(path)} has a sweep over a chain of stages.",
            "Add --chain, name the folder of one of its pairs, or choose another folder.",
        )


def _plan(settings: SweepSettings) -> dict[str, Any]:
    """What may grow while a sweep lives."""
    return {
        "alphas": settings.alphas,
        "samples": settings.samples,
        "plain": settings.plain,
        "target": settings.target,
        "further": settings.further,
    }


def _without_replies(
    lines: Iterator[dict[str, Any] | None] | Iterator[dict[str, Any]],
) -> Iterator[Any]:
    """The lines, of replies what tells the plan and the grid: they are most of the file."""
    for line in lines:
        if line is not None and line["type"] == "sampled":
            reply = whole_reply(line)
            found = ("id", "alpha", "n", "grid") if reply else ()
            yield {"type": "sampled", **{name: getattr(reply, name) for name in found}}
        else:
            yield line


def _contents(lines: Sequence[Mapping[str, Any]]) -> Contents:
    """What the lines of a file say. Raises UsageError for a header that cannot be read."""
    header = lines[0]
    session = from_line(json.dumps(header.get("session")))
    try:
        fixed = dict(header["settings"])
        sampling = Sampling.model_validate(fixed.pop("sampling"))
        settings = SweepSettings(sampling=sampling, alphas=(), samples=0, **fixed)
        if not isinstance(session, Session) or header["version"] != VERSION:
            raise TypeError("no session, or another version")
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise UsageError("The header of this sweep cannot be read.", ELSEWHERE) from error
    contents = Contents(settings=settings, session=session)
    for line in lines[1:]:
        try:
            _take(contents, line)
        except (KeyError, TypeError, ValueError, ValidationError):
            contents.damaged += 1
    return contents


def _take(contents: Contents, line: Mapping[str, Any]) -> None:
    match line["type"]:
        case "prompt":
            (prompt,) = validated(_PROMPTS, line)
            contents.prompts += (prompt,)
        case "plan":
            was = contents.settings  # a plan only grows
            contents.settings = replace(
                was,
                alphas=tuple(sorted({*was.alphas, *map(float, line["alphas"])})),
                samples=max(was.samples, int(line["samples"])),
                plain=max(was.plain, int(line.get("plain", 0))),
                target=float(line["target"]),
                further=tuple(map(float, line["further"])),
            )
        case "prompt-ids":
            ids = PromptIds(before=tuple(line["before"]), after=tuple(line["after"]))
            contents.ids[line["prompt"]] = ids
            contents.forced[line["prompt"]] = int(line["forced"])
        case "sampled":
            contents.settled = False
            contents.there.add(line["id"])
            contents.grids.add(line["grid"])
            _plan_for(contents, line["alpha"], line["n"])
        case "settled":
            contents.seconds += float(line["seconds"])
            contents.timed_tokens += int(line["tokens"])
            contents.settled = True
        case "scores":
            for scores in whole_scores(line):
                contents.scores[scores.reply] = _joined(contents, scores)


def _plan_for(contents: Contents, alpha: float, n: int) -> None:
    """Restore what a damaged line of the plan had: this reply was wanted."""
    plan = contents.settings
    if alpha not in plan.alphas or n >= plan.samples_at(alpha):
        alphas = tuple(sorted({*plan.alphas, alpha}))
        plain = alpha == 0 and plan.samples > 0
        contents.settings = replace(
            plan,
            alphas=alphas,
            samples=plan.samples if plain else max(plan.samples, n + 1),
            plain=max(plan.plain, n + 1) if plain else plan.plain,
        )


def _joined(contents: Contents, scores: Scores) -> Scores:
    """Log-probabilities at these αs, and those that are there already."""
    was = contents.scores.get(scores.reply)
    return was.joined(scores) if was else scores
