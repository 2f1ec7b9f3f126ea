"""The folder of a sweep: its settings, prompts and replies, a line each, as they come."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.findings import shown
from logit_amp_chat.core.experiments.record_file import FileKind, read_records
from logit_amp_chat.core.experiments.result_file import VERSION, ResultFile, pair_identity
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply
from logit_amp_chat.core.records import PromptIds, Sampling, Session
from logit_amp_chat.core.samples import PromptRead, Rescored
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line

FILE = "sweep.jsonl"
KIND = FileKind(None, "a sweep", "replies", "Choose another folder with --out", "sweep")
ELSEWHERE = f"{KIND.remedy}."

# JSON has no infinities: they are strings, as in transcripts. (A list takes a configuration.)
_LINES = ConfigDict(ser_json_inf_nan="strings")
_REPLIES: TypeAdapter[list[SweepReply]] = TypeAdapter(list[SweepReply], config=_LINES)
_PROMPTS: TypeAdapter[list[SweepPrompt]] = TypeAdapter(list[SweepPrompt], config=_LINES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Log-probabilities (n, K) of a reply's tokens at αs that were added to the sweep later."""

    reply: str
    grid: tuple[float, ...]
    log_q: tuple[tuple[float, ...], ...]


_SCORES: TypeAdapter[list[Scores]] = TypeAdapter(list[Scores], config=_LINES)


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
            contents.damaged = file.damaged
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
        try:
            lines = list(_without_replies(read_records(path / FILE, KIND)))
        except OSError as error:
            raise UsageError(
                f"There is no sweep in {shown(path)}: {error.strerror}.",
                "Name the folder of one, or give --prompts to begin one there.",
            ) from error
        if not lines or lines[0] is None:
            raise UsageError(f"There is no sweep in {shown(path)}.", "Give --prompts to begin one.")
        contents = _contents([line for line in lines if line is not None])
        contents.damaged = sum(line is None for line in lines)
        return cls(path, None, contents)

    @property
    def settings(self) -> SweepSettings:
        """Those of the sweep, with all αs that were added."""
        return self.contents.settings

    @property
    def prompts(self) -> tuple[SweepPrompt, ...]:
        """Its prompts."""
        return self.contents.prompts

    @property
    def time(self) -> str:
        """The moment that templates may write."""
        return self.contents.session.time

    def aim(self, target: float) -> None:
        """Let the estimate be about the model at α = `target`, which is in the grid."""
        self.contents.settings = checked(replace(self.settings, target=target))

    def replies(self) -> Iterator[SweepReply]:
        """Every reply, with the log-probabilities that were added later."""
        if self._held is not None:
            yield from self._held
            return
        there = set[str]()
        for line in read_records(self.path / FILE, KIND):
            if line is not None and line["type"] == "sampled":
                for reply in _validated(_REPLIES, line):
                    if reply.id not in there:
                        there.add(reply.id)
                        yield _scored(reply, self.contents.scores.get(reply.id))

    def add(self, reply: SweepReply) -> None:
        """Write a reply; it is on the disk when this returns. Raises TranscriptError."""
        self._append("sampled", _plain(_REPLIES, reply))
        self.contents.there.add(reply.id)
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
        self._append("scores", _plain(_SCORES, scores))
        self.contents.scores[scores.reply] = _joined(self.contents.scores.get(scores.reply), scores)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file:
            self._file.close()

    def _append(self, kind: str, fields: Mapping[str, Any]) -> None:
        assert self._file is not None, "this folder was opened to be read"
        self._file.append(kind, fields)

    def _take_prompts(self, prompts: Sequence[SweepPrompt]) -> None:
        if not self.prompts:
            for prompt in prompts:
                self._append("prompt", _plain(_PROMPTS, prompt))
            self.contents.prompts = tuple(prompts)
            return
        there, here = [p.key for p in self.prompts], [p.key for p in prompts]
        if there != here:
            number = next(
                (n for n, pair in enumerate(zip(there, here, strict=False), 1) if len({*pair}) > 1),
                min(len(there), len(here)) + 1,
            )
            raise UsageError(
                f"{shown(self.path)} has a sweep over other prompts: {len(there):,} there,"
                f" {len(here):,} now, and number {number:,} is the first that differs.",
                ELSEWHERE,
            )

    def _take_plan(self, settings: SweepSettings) -> None:
        """Add αs and samples to those that are there."""
        was = self.settings
        plan = replace(
            settings,
            alphas=tuple(sorted({*was.alphas, *settings.alphas})),
            further=tuple(sorted({*was.further, *settings.further})),
            samples=max(was.samples, settings.samples),
        )
        self.contents.settings = checked(plan)
        if _plan(was) != _plan(plan):
            self._append("plan", _plan(plan))


def _plan(settings: SweepSettings) -> dict[str, Any]:
    """What may grow while a sweep lives."""
    return {
        "alphas": settings.alphas,
        "samples": settings.samples,
        "target": settings.target,
        "further": settings.further,
    }


def _without_replies(
    lines: Iterator[dict[str, Any] | None] | Iterator[dict[str, Any]],
) -> Iterator[Any]:
    """The lines, of replies the id alone: they are most of the file."""
    for line in lines:
        if line is not None and line["type"] == "sampled":
            yield {"type": "sampled", "id": line.get("id")}
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
        if not isinstance(session, Session):
            raise TypeError("no session")
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
            contents.prompts += tuple(_validated(_PROMPTS, line))
        case "plan":
            contents.settings = replace(
                contents.settings,
                alphas=tuple(map(float, line["alphas"])),
                samples=int(line["samples"]),
                target=float(line["target"]),
                further=tuple(map(float, line["further"])),
            )
        case "prompt-ids":
            ids = PromptIds(before=tuple(line["before"]), after=tuple(line["after"]))
            contents.ids[line["prompt"]] = ids
            contents.forced[line["prompt"]] = int(line["forced"])
        case "sampled":
            contents.there.add(str(line["id"]))
            contents.settled = False
        case "settled":
            contents.seconds += float(line["seconds"])
            contents.timed_tokens += int(line["tokens"])
            contents.settled = True
        case "scores":
            for scores in _validated(_SCORES, line):
                was = contents.scores.get(scores.reply)
                contents.scores[scores.reply] = _joined(was, scores)


def _joined(was: Scores | None, scores: Scores) -> Scores:
    """Log-probabilities at the αs of both."""
    if was is None:
        return scores
    return Scores(
        reply=scores.reply,
        grid=was.grid + scores.grid,
        log_q=tuple(a + b for a, b in zip(was.log_q, scores.log_q, strict=True)),
    )


def _scored(reply: SweepReply, scores: Scores | None) -> SweepReply:
    """The reply with the log-probabilities at further αs."""
    if scores is None:
        return reply
    own = Scores(reply=reply.id, grid=reply.grid, log_q=reply.log_q)
    joined = _joined(own, scores)
    return dataclasses.replace(reply, grid=joined.grid, log_q=joined.log_q)


def _plain(adapter: TypeAdapter[list[Any]], value: object) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(adapter.dump_json([value]))
    return found[0]


def _validated(adapter: TypeAdapter[list[Any]], line: Mapping[str, Any]) -> list[Any]:
    """The value of a line; none where it is damaged."""
    try:
        fields = {name: value for name, value in line.items() if name != "type"}
        return adapter.validate_python([fields])
    except ValidationError:
        return []
