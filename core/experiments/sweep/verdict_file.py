"""What programs and judges have said is kept: nothing is judged twice."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.record_file import FileKind, RecordFile
from logit_amp_chat.core.experiments.sweep.behaviours import (
    Behaviour,
    Kind,
    Replies,
    Verdict,
    definition_key,
)
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepPrompt, SweepReply

NAME = "verdicts.jsonl"
VERDICT = "verdict"
KIND = FileKind(VERDICT, "a sweep", "verdicts", "Choose another folder with --out")


def reply_key(prompt: SweepPrompt, reply: SweepReply) -> str:
    """A hash of what a verdict depends on: equal answers to a prompt are judged once."""
    said = [prompt.messages, prompt.begin, prompt.raw, reply.text, reply.finish]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


class VerdictFile:
    """The verdicts in a sweep's folder, by definition of the behaviour and content of the reply."""

    def __init__(self, folder: Path) -> None:
        """Go on with the folder's file, or begin it. Raises UsageError."""
        self._file = RecordFile(folder / NAME, KIND)
        self._known: dict[str, dict[str, tuple[Verdict, bool]]] = {}
        for fields in self._file.load():
            try:
                behaviour, reply = str(fields["behaviour"]), str(fields["key"])
                found = _verdict(fields), bool(fields["numeric"])
            except (KeyError, TypeError, ValueError):
                self._file.damaged += 1
            else:
                self._known.setdefault(behaviour, {})[reply] = found

    @property
    def damaged(self) -> int:
        """Lines that could not be read; what they said is judged again."""
        return self._file.damaged

    def of(self, behaviour: str) -> dict[str, tuple[Verdict, bool]]:
        """The verdicts of a definition, by reply, each with whether it is a number."""
        return self._known.setdefault(behaviour, {})

    def add(self, behaviour: str, key: str, reply: str, verdict: Verdict, numeric: bool) -> None:
        """Write a verdict. Raises TranscriptError."""
        self._known.setdefault(behaviour, {})[key] = (verdict, numeric)
        self._file.append(
            VERDICT,
            {
                "behaviour": behaviour,
                "key": key,
                "reply": reply,
                "value": verdict.value,
                "numeric": numeric,
                "spans": verdict.spans,
                "log_odds": None if verdict.log_odds is None else str(verdict.log_odds),
            },
        )

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()


def _verdict(fields: dict[str, Any]) -> Verdict:
    log_odds = fields["log_odds"]
    return Verdict(
        float(fields["value"]),
        None,
        tuple((int(start), int(end)) for start, end in fields["spans"]),
        None if log_odds is None else float(log_odds),  # a string: JSON has no infinity
    )


class Cached:
    """A behaviour whose whole-reply verdicts are kept in a file, and asked for once."""

    def __init__(self, behaviour: Behaviour, file: VerdictFile) -> None:
        self._behaviour = behaviour
        self._file = file
        self.definition: dict[str, Any] = behaviour.definition
        self._key = definition_key(self.definition)
        self._known = file.of(self._key)

    @property
    def name(self) -> str:
        """That of the behaviour."""
        return self._behaviour.name

    @property
    def kind(self) -> Kind:
        """That of the behaviour."""
        return self._behaviour.kind

    @property
    def numeric(self) -> bool:
        """Whether the behaviour, or what is kept of it, gives numbers."""
        return self._behaviour.numeric or self._kept_numeric is True

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Those that are known, and those of the behaviour for the rest, in their order.

        They end where the behaviour's do. Refusals are not kept: what could not be judged may be
        another time. Raises UsageError where some are numbers and others are not, and as the
        behaviour does.
        """
        waiting: deque[str] = deque()
        asked: deque[tuple[str, str]] = deque()
        known = {key: verdict for key, (verdict, _) in self._known.items()}

        def unknown() -> Iterator[tuple[SweepPrompt, SweepReply]]:
            seen: set[str] = set()
            for prompt, reply in replies:
                key = reply_key(prompt, reply)
                waiting.append(key)
                if key not in known and key not in seen:
                    seen.add(key)
                    asked.append((key, reply.id))
                    yield prompt, reply

        for verdict in self._behaviour.verdicts(unknown()):
            key, reply = asked.popleft()
            known[key] = verdict
            if not verdict.refused:
                self._keep(key, reply, verdict)
            while waiting and waiting[0] in known:
                yield known[waiting.popleft()]
        while waiting and waiting[0] in known:
            yield known[waiting.popleft()]

    def close(self) -> None:
        """Close the behaviour, not the file."""
        self._behaviour.close()

    @property
    def _kept_numeric(self) -> bool | None:
        """Whether what is kept are numbers; None if nothing is. They are all of one kind."""
        return next((numeric for _, numeric in self._known.values()), None)

    def _keep(self, key: str, reply: str, verdict: Verdict) -> None:
        numeric = self._behaviour.numeric
        if self._kept_numeric is not None and self._kept_numeric is not numeric:
            raise UsageError(
                f"{self.name} gave numbers before and does not now, or the other way round.",
                f"Remove {NAME} from the folder to judge all replies anew.",
            )
        self._file.add(self._key, key, reply, verdict, numeric)
