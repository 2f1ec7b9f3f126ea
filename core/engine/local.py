"""Engine: opens a profile, answers requests with events."""

from __future__ import annotations

import importlib.metadata
import itertools
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair, load_pair, prepare
from logit_amp_chat.core.models.vocabulary import fingerprint
from logit_amp_chat.core.protocol import (
    Event,
    Forget,
    Idle,
    Loading,
    Noticed,
    Opened,
    Request,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.records import PromptIds, Reply, Sampling, Session, new_id

VERSIONED = ("logit-amp-chat", "torch", "transformers", "bitsandbytes", "peft", "accelerate")


class LocalEngine:
    """One open pair and one decoder; answers one request at a time.

    `generate` is a generator: between two of its events the caller may `apply`
    commands, which are in force with the next token; on a GPU, which computes that
    one already, with the one after it.
    """

    def __init__(self, profile: Profile, pair: Pair) -> None:
        self.pair = pair
        self.opened = Opened(
            session=_session(profile, pair), notices=pair.notices, memory=pair.memory
        )
        self._chat = ChatTemplate(
            pair.tokenizer, pair.template, (profile.before.system, profile.after.system)
        )
        self._decoder = Decoder(pair)
        self._controls: Controls | None = None
        self._stale = False
        self._told: str | None = None

    @classmethod
    def open(
        cls, profile: Profile, report: Callable[[Loading], None] = lambda _: None
    ) -> LocalEngine:
        """Load the profile's pair and warm it up. Raises LogitAmpError."""
        pair = load_pair(profile, report)
        prepare(pair)
        engine = cls(profile, pair)
        report(Loading(stage="warm-up", detail="first token", done=0, total=1))
        engine._warm_up()
        report(Loading(stage="warm-up", detail="first token", done=1, total=1))
        return engine

    @property
    def recorded(self) -> bool:
        """Whether decoding steps are launched whole, as CUDA graphs."""
        studio = self._decoder.studio
        return studio is not None and studio.graphs.trouble is None

    def at_once(self, lanes: int) -> bool:
        """Whether recorded steps of so many lanes compute both sides at once."""
        studio = self._decoder.studio
        return studio is not None and studio.at_once(lanes)

    def generate(self, request: Request) -> Iterator[Event]:
        """Decode every lane of `request`: Replies, Prefill, Steps, a Finish a lane, Idle.

        Before Idle comes what was Noticed.

        The batches of `batches`, one event after the other.
        """
        return itertools.chain.from_iterable(self.batches(request))

    def batches(self, request: Request) -> Iterator[Sequence[Event]]:
        """Decode every lane of `request`; a batch is what happened at one token.

        Raises LogitAmpError before the first event where the request cannot be
        answered (ContextError: the conversation is longer than the context).
        """
        prompt = self._chat.prompts(request.messages, request.raw)
        forced = self._decoder.reachable(request.forced, request.sampling)
        replies = [
            Reply(
                id=lane.reply,
                parent=request.parent,
                lane=lane.name,
                alpha=lane.alpha,
                seed=request.sampling.seed,
                turn=request.turn,
                sampling=request.sampling,
                prompt=prompt,
                forced=len(forced),
                raw=request.raw,
                top=request.top,
            )
            for lane in request.lanes
        ]
        yield from self.decode(replies, forced)

    def decode(
        self, replies: Sequence[Reply], forced: tuple[int, ...] = (), ahead: bool = True
    ) -> Iterator[Sequence[Event]]:
        """Decode what the records say: the lanes of one request, with the ids of its prompt.

        Yields and raises as `batches` does, LogitAmpError also for ids that the
        pair does not have. Without `ahead` a command is in force with the next
        token whatever the device; with it that may be the one after.
        """
        prompt, sampling = replies[0].prompt, replies[0].sampling
        self._decoder.check(prompt, forced)
        if self._stale:
            self._decoder.forget()
            self._stale = False
        self._controls = controls = Controls({r.id: r.alpha for r in replies}, sampling)
        try:
            yield replies
            yield from self._decoder.decode(replies, controls, forced, ahead)
            yield [*self._noticed(), Idle()]
        finally:
            self._controls = None

    def apply(self, command: SetAlpha | SetSampling | Stop | Forget) -> None:
        """Change the request in progress; without one, only Forget means something."""
        if isinstance(command, Forget):
            self._stale = True
        controls = self._controls
        if controls is None:
            return
        match command:
            case SetAlpha(reply, alpha):
                if reply in controls.alphas:
                    controls.alphas[reply] = alpha
            case SetSampling(sampling):
                controls.sampling = sampling
            case Stop(reply):
                controls.stopped.update(controls.alphas if reply is None else [reply])

    def _warm_up(self) -> None:
        """Touch every weight once, so that the first reply is as fast as the others.

        Where steps are recorded, those of one lane are now; if they cannot be, it is said.
        """
        token = min(self.pair.end_of_turn, default=0)
        sampling = Sampling(max_new_tokens=2)
        reply = Reply(
            id="warm-up",
            parent=None,
            lane="after",
            alpha=0.0,
            seed=0,
            turn=0,
            sampling=sampling,
            prompt=PromptIds(before=(token,), after=(token,)),
        )
        for _ in self._decoder.decode([reply], Controls({reply.id: 0.0}, sampling)):
            pass
        self._decoder.forget()
        notices = (*self.opened.notices, *(noticed.sentence for noticed in self._noticed()))
        self.opened = replace(self.opened, notices=notices)

    def _noticed(self) -> list[Noticed]:
        """Why steps are not recorded any more, once."""
        studio = self._decoder.studio
        trouble = studio.graphs.trouble if studio else None
        if trouble == self._told:
            return []
        self._told = trouble
        return [
            Noticed(
                f"Decoding steps could not be recorded as CUDA graphs ({trouble}):"
                " they run slower, with the same numbers."
            )
        ]


def device_name(device: torch.device) -> str:
    """What the numbers were computed on, as precisely as it can be named."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return f"cpu ({platform.machine()})"


def _session(profile: Profile, pair: Pair) -> Session:
    chat = ChatTemplate(pair.tokenizer, pair.template, (None, None))
    versions = {name: importlib.metadata.version(name) for name in VERSIONED}
    return Session(
        id=new_id("s"),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        profile=profile.model_dump(mode="json"),
        before=pair.infos[0],
        after=pair.infos[1],
        template_hash=chat.template_hash,
        versions={"python": platform.python_version(), **versions},
        device=device_name(pair.device),
        context=pair.context,
        vocabulary=fingerprint(pair.tokenizer),
    )
