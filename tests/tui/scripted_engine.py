"""An engine for the command that says what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest, PromptTokens
from logit_amp_chat.core.protocol import (
    Adjustment,
    Event,
    Idle,
    Loading,
    Noticed,
    Opened,
    Request,
    ScoreRequest,
    Stop,
)
from logit_amp_chat.core.reading import NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.records import Finish, FinishReason
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from tests.core import samples


class ScriptedEngine:
    """Says each lane's α, or what it is told to say, a token a lane in turn."""

    opened = Opened(session=samples.session(), notices=("the head is in 16 bit",))

    def __init__(self) -> None:
        self.profile: Profile | None = None
        self.request: Request | None = None
        self.looked_at: PromptRequest | None = None
        self.prompts = PromptTokens(before=(), after=())
        self.says: list[bytes] = [b"one", b" two"]
        self.reason: FinishReason = "stop"
        self.stop: str | None = None
        self.stopped = self.closed = False
        self.notice = ""
        self.between: Callable[[int], None] = lambda index: None

    def open(self, profile: Profile, report: Callable[[Loading], None]) -> ScriptedEngine:
        report(Loading(stage="weights", detail="before", done=1, total=2, unit="bytes"))
        self.profile = profile
        return self

    def apply(self, command: Adjustment) -> None:
        self.stopped |= isinstance(command, Stop)

    def close(self) -> None:
        self.closed = True

    def score(self, request: ScoreRequest) -> Iterator[Event]:
        raise AssertionError("nothing is scored here")

    def openings(self, request: OpeningsRequest) -> Iterator[Event]:
        raise AssertionError("nothing is opened here")

    def read(self, request: ReadRequest) -> Iterator[Event]:
        raise AssertionError("nothing is read here")

    def prompt(self, request: PromptRequest) -> Iterator[Event]:
        self.looked_at = request
        yield self.prompts
        yield Idle()

    def names(self, request: NamesRequest) -> Iterator[Event]:
        raise AssertionError("nothing is named here")

    def read_stages(self, request: StageReadRequest) -> Iterator[Event]:
        raise AssertionError("no stages are read here")

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        raise AssertionError("nothing is sampled here")

    def rescore(self, request: RescoreRequest) -> Iterator[Event]:
        raise AssertionError("nothing is measured again here")

    def generate(self, request: Request) -> Iterator[Event]:
        self.request = request
        for lane in request.lanes:
            reply = samples.reply(lane.reply, request.messages[-1].id, lane.name, lane.alpha)
            yield replace(reply, sampling=request.sampling)
        for index, data in enumerate(self.says):
            for lane in request.lanes:
                text = data.decode("utf-8", "replace")
                yield samples.step(index, text, reply=lane.reply, alpha=lane.alpha, data=data)
            self.between(index)
            if self.stopped:
                self.reason = "cancelled"
                break
        for lane in request.lanes:
            yield Finish(
                reply=lane.reply,
                reason=self.reason,
                tokens=2,
                seconds=0.1,
                error="no luck",
                stop=self.stop,
            )
        if self.notice:
            yield Noticed(self.notice)
        yield Idle()
