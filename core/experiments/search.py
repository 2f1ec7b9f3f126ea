"""Ranks prompts by how differently the two sides go on after them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from logit_amp_chat.core.analysis.hunks import log_ratio
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.experiments.result_file import VERSION, pair_identity
from logit_amp_chat.core.experiments.search_results import (
    Given,
    Order,
    SearchFile,
    SearchResult,
    StrongestToken,
    key_of,
)
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.protocol import Event, Forget, Lane, Request
from logit_amp_chat.core.reading import Chat, Content, PlainText, ReadBlock, ReadRequest
from logit_amp_chat.core.records import Document, Finish, Message, Session, Step, new_id
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.text import clean
from logit_amp_chat.core.transcripts.reply_parts import ReplyParts

SHOWN = 500
"""Characters of a prompt, and of what follows it, that a result keeps."""

CANDIDATES = 3
"""Candidates of each kind at the strongest token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What is measured after a prompt.

    Of a prompt without a continuation the first `tokens` tokens of after's own greedy answer,
    under the system prompt `system`; with `raw` the prompt is used as it is, without a
    template. With `texts` plain texts are no prompts, but read themselves.
    """

    tokens: int = 32
    raw: bool = False
    texts: bool = False
    system: str | None = None


SearchEvent = SearchResult | Refused


class Search:
    """Measures prompts one after the other; iterate it for the results, as they come.

    `best` are the `top` that rank highest `by`; of the others nothing is kept but a hash
    each. With a `file` results are written as they come, and prompts whose results it
    has are not measured again. The same prompt is measured once.
    """

    def __init__(
        self,
        engine: Engine,
        sources: Iterable[Source | Refused],
        settings: SearchSettings,
        *,
        top: int = 20,
        by: Order = "mean-kl",
        file: SearchFile | None = None,
    ) -> None:
        self.session: Session = engine.opened.session
        self.settings = settings
        self.by: Order = by
        self.found = 0
        """Results so far, those of the file among them."""
        self.known = 0
        """Prompts that were met again: in the file, or twice."""
        self.refused: list[Refused] = []
        self.cancelled = False
        self._engine = engine
        self._sources = sources
        self._top = top
        self._file = file
        self._keys: set[str] = set()
        self._heap: list[tuple[float, int, SearchResult]] = []
        self._counter = itertools.count(0, -1)
        for result in file.results() if file else ():
            self._take(result)

    @property
    def best(self) -> list[SearchResult]:
        """The highest ranking results, the highest first; of equal ones the earlier."""
        return [result for *_, result in sorted(self._heap, key=lambda one: one[:2])[::-1]]

    def stop(self) -> None:
        """End with the prompt that is being measured, which has no result."""
        self.cancelled = True

    def __iter__(self) -> Iterator[SearchEvent]:
        """The result of every new prompt; one that cannot be measured is a Refused."""
        for source in self._sources:
            if self.cancelled:
                return
            found = source if isinstance(source, Refused) else self._result(source)
            if isinstance(found, Refused):
                self.refused.append(found)
                yield found
            elif found is not None:
                if self._file:
                    self._file.add(found)
                self._take(found)
                yield found

    def _result(self, source: Source) -> SearchEvent | None:
        """What is found of a source; None where it is known or was cut short."""
        key = key_of(source.content)
        if key in self._keys:
            self.known += 1
            return None
        try:
            return self._measured(source, key)
        except EngineError:
            raise
        except LogitAmpError as error:
            return Refused(source.name, source.place, error)

    def _take(self, result: SearchResult) -> None:
        self.found += 1
        self._keys.add(result.key)
        entry = (result.value(self.by), next(self._counter), result)
        if len(self._heap) < self._top:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def _measured(self, source: Source, key: str) -> SearchResult | None:
        """The result of a prompt; None where it was cut short. Raises LogitAmpError."""
        found, events = continuation(self._engine, source.content, self.settings, self._time)
        for event in events:
            found.take(event)
            self.cancelled = self.cancelled or found.cancelled
            if self.cancelled:  # an engine that had not begun yet was not stopped
                return None
        return found.result(source, key)

    @property
    def _time(self) -> str:
        return self._file.time if self._file else self.session.time


def header(session: Session, settings: SearchSettings) -> dict[str, Any]:
    """What the results of a search depend on, for its file."""
    return {
        "version": VERSION,
        "time": session.time,
        "settings": asdict(settings),
        "pair": pair_identity(session),
    }


# --- measuring ------------------------------------------------------------------


def by_line(sources: Iterable[Source | Refused]) -> Iterator[Source | Refused]:
    """Every line of the plain texts that is not blank, as a text of its own; chats as they are."""
    for source in sources:
        if isinstance(source, Refused) or not isinstance(source.content, PlainText):
            yield source
            continue
        inside = "" if source.place.startswith("part ") else source.place
        for number, line in enumerate(source.content.text.split("\n"), source.line):
            if text := line.strip():
                place = ", ".join(filter(None, (inside, f"line {number}")))
                content = PlainText(text=text)
                yield replace(source, place=place, line=number, content=content)


def messages_to(content: Content, settings: SearchSettings) -> tuple[Message, ...] | None:
    """The messages that after answers; None where a continuation is there, and is read.

    Raises LogitAmpError for a chat that neither side could go on with.
    """
    match content:
        case PlainText(text=text):
            return None if settings.texts else _asked([("user", text)], settings)
        case Chat(messages=messages):
            if settings.raw:
                raise LogitAmpError("A chat cannot be used without a template.", "Leave out --raw.")
            last = messages[-1].role if messages else "system"
            if last == "system":
                raise LogitAmpError("There is no message of a user or an assistant at its end.")
            return (
                None
                if last == "assistant"
                else _asked([(m.role, m.text) for m in messages], settings)
            )
        case _:
            return None


def _asked(said: list[Any], settings: SearchSettings) -> tuple[Message, ...]:
    if settings.system is not None and not settings.raw and said[0][0] != "system":
        said = [("system", settings.system), *said]
    messages: list[Message] = []
    for role, text in said:
        parent = messages[-1].id if messages else None
        messages.append(Message(id=new_id("m"), parent=parent, role=role, text=text))
    return tuple(messages)


def greedy(
    messages: tuple[Message, ...],
    settings: SearchSettings,
    time: str,
    *,
    top: int = CANDIDATES,
    forced: tuple[int, ...] = (),
) -> Request:
    """The request for after's own greedy answer, or for one that is `forced`."""
    return Request(
        messages=messages,
        lanes=(Lane(reply=new_id("r"), name="after", alpha=0.0),),
        sampling=Sampling(
            temperature=0.0,
            top_p=1.0,
            plausibility=0.0,
            max_new_tokens=len(forced) or settings.tokens,
        ),
        forced=forced,
        raw=settings.raw,
        top=top,
        time=time,
    )


def continuation(
    engine: Engine, content: Content, settings: SearchSettings, time: str
) -> tuple[Continuation, Iterator[Event]]:
    """What adds up what follows a prompt, and the events to give it. Raises LogitAmpError."""
    messages = messages_to(content, settings)
    if messages is not None:
        engine.apply(Forget())  # the same numbers to the last digit, whatever came before
        request = greedy(messages, settings, time)
        return Continuation("answer", messages), engine.generate(request)
    said = content.messages if isinstance(content, Chat) else ()
    return Continuation("continuation", said), engine.read(reading(content, time))


def reading(content: Content, time: str) -> ReadRequest:
    """The request for a continuation that is there."""
    if isinstance(content, Chat):
        content = replace(content, score="assistant")
    return ReadRequest(
        document=new_id("d"), content=content, top=CANDIDATES, everywhere=True, time=time
    )


class Continuation:
    """Adds up the steps of a continuation; of a chat's those of its last message."""

    def __init__(self, kind: Given, messages: tuple[Message, ...]) -> None:
        self.kind: Given = kind
        self.messages = messages
        self.cancelled = False
        self.steps = 0
        self._kl = self._max_kl = self._ratio = 0.0
        self._strongest: Step | None = None
        self._text = ReplyParts()
        self._begins = ""
        self._first = 0

    def take(self, event: Event) -> None:
        """Add what an engine reports. Raises LogitAmpError where a reply breaks off."""
        match event:
            case Document():
                self._first = _first_of_last(event)
            case ReadBlock(steps=steps):
                for step in steps:
                    if step.index >= self._first:
                        self._add(step)
            case Step():
                self._add(event)
            case Finish(reason="cancelled"):
                self.cancelled = True
            case Finish(reason="error", error=error):
                raise LogitAmpError(f"The answer broke off: {error}")

    def _add(self, step: Step) -> None:
        self.steps += 1
        self._kl += step.kl
        self._max_kl = max(self._max_kl, step.kl)
        self._ratio += log_ratio(step)
        if self._strongest is None or abs(log_ratio(step)) > abs(log_ratio(self._strongest)):
            self._strongest = step
        if len(self._begins) < SHOWN:
            self._begins += self._text.add(step)

    def result(self, source: Source, key: str) -> SearchResult:
        """The result. Raises LogitAmpError without a token."""
        step = self._strongest
        if step is None:
            raise LogitAmpError("It has no token to measure.")
        return SearchResult(
            key=key,
            source=clean(source.name),
            place=clean(source.place),
            line=source.line,
            measured=self.kind,
            messages=tuple((m.role, m.text) for m in self.messages),
            text=self._prompt(source.content)[:SHOWN],
            begins=self._begins[:SHOWN],
            tokens=self.steps,
            mean_kl=self._kl / self.steps,
            max_kl=self._max_kl,
            log_ratio=self._ratio,
            strongest=StrongestToken(
                index=step.index - self._first,
                token=step.token,
                text=step.text,
                before=step.logp.before,
                after=step.logp.after,
                kl=step.kl,
                top=step.top,
            ),
        )

    def _prompt(self, content: Content) -> str:
        said = [m.text for m in self.messages if m.role == "user"]
        if said:
            return said[-1]
        return content.text if isinstance(content, PlainText) else self._begins


def _first_of_last(document: Document) -> int:
    """The number of the first scored token of a chat's last reply; 0 for what is no chat."""
    start = max((begin for _, role, begin, _ in document.spans if role == "assistant"), default=0)
    places = enumerate(document.offsets)
    return next((n for n, (begin, _) in places if begin >= start), len(document.offsets))
