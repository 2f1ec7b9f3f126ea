"""A reply of a sweep, decoded again with its tokens given, to be looked at token by token."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.analysis.hunks import log_ratio, usual_threshold
from logit_amp_chat.core.chat.continuation import Continuation
from logit_amp_chat.core.chat.read_text import ReadText, Wait
from logit_amp_chat.core.chat.turn_sweep import TurnSweep
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.prompts import messages_of
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.lanes import lane_names, lane_title
from logit_amp_chat.core.protocol import Event, Failed, Lane, Request
from logit_amp_chat.core.records import Document, Finish, Step, new_id
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.recorder import Recorder


def sampling_of(sweep: TurnSweep, reply: SweepReply) -> Sampling:
    """How a reply was sampled, with its own noise and length."""
    changed = {"seed": reply.seed, "max_new_tokens": max(1, len(reply.tokens))}
    return sweep.settings.sampling.model_copy(update=changed)


class SweptText(ReadText):
    """The tokens of a reply with what both models made of each, at the α of the reply.

    The engine is asked when it is free; what it says is saved by `recorder`.
    """

    def __init__(self, sweep: TurnSweep, reply: SweepReply, recorder: Recorder) -> None:
        place = f"{lane_title(reply.alpha)}, number {reply.n + 1}"
        super().__init__("reply", place, reply.alpha, sweep.path)
        self.sweep = sweep
        self.reply = reply
        self.recorder = recorder
        self._id = new_id("r")
        self._steps: list[Step] = []
        self._asked = False

    # --- asking -------------------------------------------------------------------------

    def follow(self) -> None:
        """Ask, unless that was done, as soon as the engine is free."""
        live, prompt = self.sweep.session.live, self.sweep.folder.prompts[0]
        if self._asked or self.problem or live.state != "ready":
            return
        try:
            self.sweep.check_pair()
        except LogitAmpError as error:
            self.problem = f"{error.message} {error.remedy}"
            return
        self._asked = True
        lane = Lane(reply=self._id, name=lane_names([self.alpha])[0], alpha=self.alpha)
        request = Request(
            messages=messages_of(prompt),
            lanes=(lane,),
            sampling=sampling_of(self.sweep, self.reply),
            forced=self.reply.tokens,
            raw=prompt.raw,
            time=self.sweep.folder.time,
            template=self.sweep.folder.template,
            prompt=self.sweep.folder.contents.ids.get(prompt.id),
        )
        live.ask_apart(request, self.recorder, self._take)

    def stop(self) -> bool:
        """Stop decoding. False if it is not being decoded."""
        if not self.is_running:
            return False
        self.sweep.session.live.stop()
        return True

    @property
    def is_running(self) -> bool:
        """Whether the engine decodes it now."""
        return self._asked and not self.is_over

    @property
    def wait(self) -> Wait:
        """Why nothing is there yet."""
        if self.is_over:
            return ""
        if self.is_running:
            return "reading"
        match self.sweep.session.state:
            case "loading":
                return "loading"
            case "closed" | "failed":
                return "not loaded"
        return "engine busy"

    @property
    def path(self) -> Path | None:
        """The file that it is saved in, once there is one."""
        return self.recorder.path

    @property
    def is_saved(self) -> bool:
        """Whether all that was decoded is in the file."""
        return self.recorder.saved or not self.recorder.asked

    def save(self) -> bool:
        """Try again to write what is missing. Whether the file is complete now."""
        return self.recorder.save()

    def continuation(self, step: int) -> Continuation:
        """The tokens before this one: a reply to the same message begins with them."""
        prompt = self.sweep.folder.prompts[0]
        return Continuation(messages_of(prompt), self.reply.tokens[:step], prompt.raw)

    # --- what the engine reports ----------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case Step(reply=self._id):
                self._steps.append(event)
            case Finish(reply=self._id):
                self._finish(event)
            case Failed():
                self.problem = f"{event.message} {event.remedy}".strip()
            case _:
                pass

    def _finish(self, finish: Finish) -> None:
        """All tokens are there: show them."""
        if self._steps:
            self.begin(self._document(), self.sweep.folder.contents.session)
            self.add(self._steps)
            self.done = len(self._steps)
        if self.log is not None:
            self.log.add(finish)
        else:
            self.problem = finish.error or "It was stopped."

    def _document(self) -> Document:
        """The text of the reply, with the special tokens that end it."""
        text, offsets, said = "", [], 0
        for step, end in zip(self._steps, self.reply.lengths, strict=False):
            piece = step.text if step.special else self.reply.text[said:end]
            said = max(said, end)
            offsets.append((len(text), len(text) + len(piece)))
            text += piece
        return Document(
            id=self._id,
            source=self.name,
            place=self.place,
            text=text,
            tokens=len(self._steps),
            offsets=tuple(offsets),
            threshold=usual_threshold([[log_ratio(step) for step in self._steps]]),
            alphas=(self.alpha,),
            window=len(self._steps),
            stride=len(self._steps),
            ends=self.sweep.settings.sampling.ends,
        )
