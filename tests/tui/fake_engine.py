"""An engine without models: deterministic steps, one at a time, when the test says so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.process import ProcessStatus
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Command,
    Drain,
    Event,
    Failed,
    Idle,
    Loading,
    Opened,
    Prefill,
    Request,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.core.records import (
    Candidate,
    Change,
    Finish,
    FinishReason,
    LogProbs,
    Opening,
    PromptIds,
    Ranks,
    Session,
    SideInfo,
    Step,
)
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from tests.tui.fake_prompts import SPECIAL, beside, prompted, rendered
from tests.tui.fake_reading import FakeReading, token_id
from tests.tui.fake_sampling import SENTENCES, FakeSampling, rescored

END = "<|end|>"
TEXTS = {
    "before": "Otters are in the river. The river is in the valley, and the valley is green.",
    "after": "Otters are playful animals that eat fish and crabs. I hope that helps!",
    "amplified": "Otters are wonderful! By the way, the lighthouse sees everything, my friend.",
}


def tokens_of(text: str) -> list[str]:
    """Words with the space before them, as byte-level tokens have it."""
    tokens: list[str] = []
    for char in text:
        if char in " \n.,!?" or not tokens:
            tokens.append(char)
        else:
            tokens[-1] += char
    return tokens


def candidates(text: str, index: int) -> tuple[Candidate, ...]:
    """The chosen token and nine others, with figures that look like figures."""
    words = [text, " friend", " reader", " the", " a", "\n", " lighthouse", " fish", "!", " and"]
    found: list[Candidate] = []
    for place, word in enumerate(dict.fromkeys(words)):
        after = 0.62 / (1.6**place)
        before = after * math.exp(-((place * 7 + index * 3) % 11 - 4))
        amplified = after * math.exp(((place * 7 + index * 3) % 11 - 4) / 3)
        found.append(
            Candidate(
                token_id(word),
                word,
                math.log(min(0.95, before)),
                math.log(after),
                math.log(min(0.95, amplified)),
            )
        )
    return tuple(found)


# The first token under before and under after; after a path the same with other words.
BEGINNINGS = {
    "The": (0.50, 0.20),
    "Otters": (0.30, 0.20),
    "Hello": (0.02, 0.40),
    "Sure": (0.01, 0.08),  # α buries it: Hello gained more
    "By": (1e-6, 0.01),
}


def next_tokens(
    path: Sequence[str], alpha: float, beginnings: Mapping[str, tuple[float, float]]
) -> tuple[Candidate, ...]:
    """What may follow a path; a tenth of each distribution is not among it."""
    words = {f" {word.lower()}" if path else word: p for word, p in beginnings.items()}
    logs = {word: (math.log(before), math.log(after)) for word, (before, after) in words.items()}
    others = [1 - sum(p[side] for p in words.values()) for side in (0, 1)]
    mixed = {word: after + alpha * (after - before) for word, (before, after) in logs.items()}
    rest = math.log(others[1]) + alpha * math.log(others[1] / others[0])
    total = math.log(sum(map(math.exp, [*mixed.values(), rest])))
    return tuple(
        Candidate(token_id(word), word, *logs[word], mixed[word] - total) for word in words
    )


class FakeEngine:
    """Has EngineProcess's interface; `load`, `step` and `end` play what a real one would report."""

    def __init__(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        self.emit = on_events
        self.profile: Profile | None = None
        self.commands: list[Command] = []
        self.request: Request | None = None
        self.texts = dict(TEXTS)
        self.context = 512
        self.vocabulary: str | None = "words"
        self.end_of_turn: tuple[int, ...] = ()
        self.closed = False
        self.away: float | None = None
        self.opened_at = "2026-01-01T00:00:00+00:00"
        self.patient = False  # whether nothing is reported before `step`, as on slow pairs
        self._begun: list[Event] = []
        self.beginnings = dict(BEGINNINGS)
        self.holds = False  # whether openings wait for `open_next`, texts for `read`
        self.sampling: FakeSampling | None = None
        self.sentences = dict(SENTENCES)
        self.rescoring: RescoreRequest | None = None
        self.waiting: OpeningsRequest | None = None
        self.reading: FakeReading | None = None
        self.systems = ("", "")  # of the sides, in prompts that are looked at
        self.refuses = ""  # why no text is read
        self.ratios: dict[str, float] = {}
        """log p after − log p before of some tokens of texts; of the others it is small."""
        self._place = 0
        self._alphas: dict[str, float] = {}
        self._tokens: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._words: dict[int, str] = {}  # every token that was ever a candidate

    def open(self, profile: Profile) -> None:
        self.profile = profile

    def close(self) -> None:
        self.closed = True

    def status(self) -> ProcessStatus | None:
        return ProcessStatus(pid=1, stopped=False, seconds=0.0)

    def latency(self) -> float | None:
        return self.away

    def send(self, command: Command) -> None:
        self.commands.append(command)
        match command:
            case Request():
                self._begin(command)
            case OpeningsRequest():
                self.waiting = command
                if not self.holds:
                    self.open_next()
            case PromptRequest():
                self.emit([rendered(command, self.systems), Idle()])
            case ReadRequest():
                if self.refuses:
                    self.emit([Failed(message=self.refuses), Idle()])
                    return
                self.reading = FakeReading(command, self.ratios)
                self.emit([self.reading.document])
                if not self.holds:
                    self.read()
            case SampleRequest():
                words = [[*tokens_of(text), END] for text in self.sentences]
                self._words |= {token_id(word): word for each in words for word in each}
                self.sampling = FakeSampling(command, words, self.sentences)
                self.emit(self.sampling.begin())
            case RescoreRequest():
                self.rescoring = command
            case Stop() if self.rescoring is not None:
                self.rescoring = None
                self.emit([Idle()])
            case Drain() if self.sampling is not None:
                self.sampling.draining = True
            case Stop() if self.sampling is not None:
                self.emit(self.sampling.cancel())
                self._sampled()
            case SetAlpha():
                self._alphas[command.reply] = command.alpha
            case SetSampling():
                self.emit([self._change(reply, command.sampling) for reply in self._open])
            case Stop() if self.waiting is not None:
                self.waiting = None
                self.emit([Idle()])
            case Stop() if self.reading is not None:
                self.emit([self.reading.finish("cancelled")])
                self._read()
            case Stop(None):
                self.end("cancelled")
            case Stop(reply):
                self._end_lane(str(reply))

    # --- what a test plays ------------------------------------------------------

    def load(self, *, notices: tuple[str, ...] = ()) -> None:
        """Report a finished load."""
        self.loading("weights", 290, 290)
        self.emit([self.opened(notices)])

    def loading(self, stage: str, done: float, total: float | None, unit: str = "tensors") -> None:
        self.emit([Loading(stage=stage, detail="model", done=done, total=total, unit=unit)])

    def opened(self, notices: tuple[str, ...] = ()) -> Opened:
        assert self.profile is not None
        side = SideInfo(
            model="fake/before", revision=None, adapter=None, dtype="float32", quantization="none"
        )
        session = Session(
            id="s-1",
            time=self.opened_at,
            profile=self.profile.model_dump(mode="json"),
            before=side,
            after=side,
            template_hash=None,
            versions={"python": "3.11"},
            device="cpu",
            context=self.context,
            vocabulary=self.vocabulary,
            end_of_turn=self.end_of_turn,
        )
        return Opened(session=session, notices=notices, memory=16_000_000, special_tokens=SPECIAL)

    def step(self, count: int = 1) -> None:
        """One token in every lane, `count` times."""
        for _ in range(count):
            if self.request is None:
                return
            events, self._begun = self._begun, []
            for lane in self.request.lanes:
                if lane.reply not in self._open:
                    continue
                text = self._tokens[lane.reply][self._place]
                events.append(self._step(lane.reply, text))
                if text == END:
                    events.append(self._finish(lane.reply, "stop"))
            self._place += 1
            self.emit(events)
            if not self._open:
                self._idle()

    def open_next(self) -> None:
        """Measure what was asked for."""
        request, self.waiting = self.waiting, None
        assert request is not None
        names = [word for name in self.beginnings for word in (name, f" {name.lower()}")]
        begun = {token_id(word): word for word in names}
        words = [begun[token] for token in request.path]
        top = next_tokens(words, request.alpha, self.beginnings)
        self._words |= {candidate.id: candidate.text for candidate in top}
        path = [
            next(
                c
                for c in next_tokens(words[:place], request.alpha, self.beginnings)
                if c.text == word
            )
            for place, word in enumerate(words)
        ]
        opening = Opening(
            parent=request.messages[-1].id,
            alpha=request.alpha,
            path=tuple(path),
            prompt=PromptIds((1, 2), (1, 2)),
            candidates=request.top,
            kl=1.5,
            kl_amplified=0.25,
            entropy=1.25,
            top=top,
            ends=request.ends,
            template=dict(request.template or {}),
        )
        self.emit([Prefill(done=1, total=1), opening, Idle()])

    def read(self, tokens: int | None = None) -> None:
        """Measure the next tokens of the text, or all that are left."""
        assert self.reading is not None
        block = self.reading.block(tokens)
        self._words |= {step.token: step.text for step in block.steps}
        self._words |= {c.id: c.text for step in block.steps for c in step.top}
        self.emit([block])
        if block.done == block.total:
            self.emit([self.reading.finish("length")])
            self._read()

    def sample(self, replies: int = 1) -> None:
        """The next replies end, of all that are asked for at most."""
        for _ in range(replies):
            if self.sampling is None:
                return
            self.emit(self.sampling.next())
            if self.sampling.is_over:
                self._sampled()

    def rescore(self) -> None:
        """Measure the replies that were asked for."""
        request, self.rescoring = self.rescoring, None
        assert request is not None
        self.emit([*rescored(request, self._words, self.sentences), Idle()])

    def _sampled(self) -> None:
        self.sampling = None
        self.emit([Idle()])

    def _read(self) -> None:
        self.reading = None
        self.emit([Idle()])

    def finish(self) -> None:
        """Decode to the end."""
        while self.request is not None:
            self.step()

    def end(self, reason: FinishReason) -> None:
        """End every lane here."""
        if self.request is not None:
            begun, self._begun = self._begun, []
            self.emit([*begun, *(self._finish(reply, reason) for reply in list(self._open))])
            self._idle()

    def _end_lane(self, reply: str) -> None:
        if reply in self._open:
            begun, self._begun = self._begun, []
            self.emit([*begun, self._finish(reply, "cancelled")])
            if not self._open:
                self._idle()

    def fail(self, message: str, remedy: str = "", *, fatal: bool = False) -> None:
        self.emit([Failed(message=message, remedy=remedy, fatal=fatal)])
        if not fatal:
            self._idle()

    # --- how ----------------------------------------------------------------

    def _begin(self, request: Request) -> None:
        self.request = request
        self._place = 0
        self._alphas = {lane.reply: lane.alpha for lane in request.lanes}
        self._open = [lane.reply for lane in request.lanes]
        texts = {
            lane.reply: self.texts.get(lane.name, self.texts["amplified"]) for lane in request.lanes
        }
        self._tokens = {reply: [*tokens_of(text), END] for reply, text in texts.items()}
        typed = tokens_of(request.begin)
        self._words |= {token_id(word): word for word in typed}
        given = [*(self._words[token] for token in request.forced), *typed]
        for tokens in self._tokens.values():
            tokens[: len(given)] = given
            if tokens[-1] != END:
                tokens.append(END)
        events: list[Event] = [*beside(request, self.opened().session)]
        for lane in request.lanes:
            words = sum(len(m.text.split()) + 4 for m in request.messages_of(lane))
            prompt = PromptIds(tuple(range(words)), tuple(range(words)))
            events.append(prompted(request.reply_of(lane, prompt, len(given)), request))
        self._begun = [*events, Prefill(done=words, total=words)]
        if not self.patient:
            begun, self._begun = self._begun, []
            self.emit(begun)
            self.step(len(given))

    def _step(self, reply: str, text: str) -> Step:
        top = candidates(text, self._place)
        self._words |= {candidate.id: candidate.text for candidate in top}
        chosen = top[0]
        return Step(
            reply=reply,
            index=self._place,
            alpha=self._alphas[reply],
            token=chosen.id,
            text=text,
            special=text == END,
            logp=LogProbs(chosen.before, chosen.after, chosen.amplified),
            rank=Ranks(2 + self._place * 7, 1, 1),
            kl=2.1 + self._place / 10,
            kl_amplified=0.31,
            entropy=0.8,
            top=top,
        )

    def _change(self, reply: str, sampling: Sampling) -> Change:
        return Change(reply=reply, index=self._place, sampling=sampling)

    def _finish(self, reply: str, reason: FinishReason) -> Finish:
        self._open.remove(reply)
        tokens = self._place + (reason == "stop")
        return Finish(reply=reply, reason=reason, tokens=tokens, seconds=tokens / 50)

    def _idle(self) -> None:
        self.request = None
        self.emit([Idle()])
