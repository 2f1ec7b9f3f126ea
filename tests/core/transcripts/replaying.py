"""Real chats to replay, and ways to tamper with their records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.protocol import Event, Forget, Lane, Request, SetAlpha, SetSampling, Stop
from logit_amp_chat.core.records import Change, Finish, Message, Record, Reply, Step
from logit_amp_chat.core.sampling import Sampling

# With this seed no lane of `chat` ends before it is meddled with.
FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=16, seed=1)
COLD = FREE.model_copy(update={"temperature": 0.0, "max_new_tokens": 12})
ALPHAS = {"amplified": 1.0, "before": -1.0, "after": 0.0}
Meddle = Callable[[LocalEngine, Event], None]


class Scribe:
    """Asks an engine as the app does and keeps the records."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.records: list[Record] = [engine.opened.session]
        self._said: list[Message] = []
        self._requests = 0
        engine.apply(Forget())

    def ask(
        self,
        text: str,
        *lanes: str,
        meddle: Meddle = lambda engine, event: None,
        sampling: Sampling = FREE,
        forced: tuple[int, ...] = (),
        top: int = 3,
    ) -> None:
        parent = self._said[-1].id if self._said else None
        message = Message(id=f"m-{len(self._said)}", parent=parent, role="user", text=text)
        self._said.append(message)
        self.records.append(message)
        self._requests += 1
        request = Request(
            messages=tuple(self._said),
            lanes=tuple(
                Lane(reply=f"r-{self._requests}-{n}", name=name, alpha=ALPHAS[name])
                for n, name in enumerate(lanes)
            ),
            sampling=sampling,
            forced=forced,
            top=top,
        )
        for event in self.engine.generate(request):
            if isinstance(event, Reply | Step | Change | Finish):
                self.records.append(event)
            meddle(self.engine, event)
        answer = "".join(s.text for s in self.steps(f"r-{self._requests}-0"))
        self._said.append(
            Message(id=f"a-{len(self._said)}", parent=message.id, role="assistant", text=answer)
        )

    def steps(self, reply: str) -> list[Step]:
        return [r for r in self.records if isinstance(r, Step) and r.reply == reply]


def at(lane: str, index: int, command: SetAlpha | SetSampling | Stop) -> Meddle:
    def meddle(engine: LocalEngine, event: Event) -> None:
        if isinstance(event, Step) and (event.reply, event.index) == (lane, index):
            engine.apply(command)

    return meddle


def recorded_chat(engine: LocalEngine) -> list[Record]:
    """Lanes, α in mid-reply, sampling in mid-reply, stops, a forced prefix; four turns."""
    scribe = Scribe(engine)

    def both(engine: LocalEngine, event: Event) -> None:
        at("r-1-0", 3, SetAlpha("r-1-0", 2.5))(engine, event)
        at("r-1-0", 9, SetAlpha("r-1-0", -0.5))(engine, event)

    scribe.ask("Tell me about otters", "amplified", meddle=both)
    scribe.ask(
        "and crabs?", "amplified", "before", "after", meddle=at("r-2-1", 4, Stop("r-2-1")), top=5
    )
    scribe.ask(
        "why?", "amplified", "after", meddle=at("r-3-0", 2, SetSampling(COLD)), forced=(40, 41, 42)
    )
    scribe.ask("go on", "before", meddle=at("r-4-0", 5, Stop()), top=0)
    return scribe.records


def changed(
    records: Sequence[Record], which: Callable[[Record], bool], **to: object
) -> list[Record]:
    """The records with the first one of a kind changed."""
    (index, *_) = (n for n, record in enumerate(records) if which(record))
    tampered = list(records)
    tampered[index] = dataclasses.replace(tampered[index], **to)  # type: ignore[arg-type]
    return tampered


def is_step(reply: str, index: int) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Step) and (r.reply, r.index) == (reply, index)


def is_finish(reply: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Finish) and r.reply == reply
