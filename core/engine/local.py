"""The engine in this process: opens a profile, answers requests with events."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import torch

from logit_amp_chat.core.analysis import cache_checks
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import pair_of
from logit_amp_chat.core.decoding.cache_guard import (
    cache_uses,
    check_caches,
    check_captured_steps,
)
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.decoding.end_tokens import unlearned_end
from logit_amp_chat.core.decoding.opening import as_opening
from logit_amp_chat.core.decoding.pair_decoder import PairDecoder
from logit_amp_chat.core.decoding.request_state import Controls
from logit_amp_chat.core.decoding.sample_limits import asked_prompts, check_given
from logit_amp_chat.core.engine.batched import BatchedEngine
from logit_amp_chat.core.engine.exclusive import Exclusive
from logit_amp_chat.core.engine.prompt_renderer import PromptRenderer
from logit_amp_chat.core.engine.session_record import session_record
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.lanes import OfLane
from logit_amp_chat.core.models.document_tokens import DocumentTokens, document_tokens
from logit_amp_chat.core.models.pair import Pair, find_positions, load_pair, prepare
from logit_amp_chat.core.models.template_variables import unknown_variables
from logit_amp_chat.core.prompts import OpeningsRequest, PromptRequest
from logit_amp_chat.core.protocol import (
    Adjustment,
    AnyRequest,
    Drain,
    Event,
    Forget,
    Idle,
    Loading,
    Noticed,
    Opened,
    Request,
    ScoreRequest,
    SetAlpha,
    SetSampling,
    Stop,
)
from logit_amp_chat.core.reading import Names, NamesRequest, ReadRequest, StageReadRequest
from logit_amp_chat.core.records import CacheCheck, Message, PromptIds, Reply
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.turn_ends import TurnEnds

# Lanes that are decoded together, and how.
Groups = Sequence[tuple[Sequence[Reply], Iterator[Sequence[Event]]]]


class LocalEngine(BatchedEngine):
    """An `Engine` in this process: one open pair and one decoder."""

    def __init__(
        self,
        profile: Profile,
        pair: Pair,
        caches: dict[str, CacheCheck] | None = None,
        decoder: PairDecoder | None = None,
    ) -> None:
        """`caches`: how the pair's caches were checked; None uses them unchecked."""
        self.pair = pair
        self._stages = pair_of(profile) if profile.stages else None
        session = session_record(profile, pair, caches)
        self._prompts = PromptRenderer(profile, pair, session.time)
        self.opened = Opened(
            session=session,
            notices=(
                *pair.notices,
                *unknown_variables(
                    pair.template,
                    [*profile.template, *profile.before.template, *profile.after.template],
                ),
                *cache_checks.notices(caches or {}),
            ),
            memory=pair.memory,
            special_tokens=self._prompts.chat().special_tokens.spellings,
        )
        self._decoder = decoder or Decoder(pair)
        self._controls: Controls | None = None
        self._stale = False
        self._told: str | None = None
        self._requests = Exclusive[Sequence[Event]]()

    @classmethod
    def open(
        cls, profile: Profile, report: Callable[[Loading], None] = lambda _: None
    ) -> LocalEngine:
        """Load the profile's pair and warm it up. Raises LogitAmpError."""
        pair = load_pair(profile, report)
        prepare(pair)
        report(Loading(stage="warm-up", detail="check", done=0, total=1))
        engine = cls.checked(profile, pair)
        engine.warm_up(report)
        return engine

    @classmethod
    def checked(cls, profile: Profile, pair: Pair) -> LocalEngine:
        """An engine that uses caches as far as its replies then agree with whole passes.

        Unchecked where the profile says `trust_caches`. Raises PairError.
        """
        pair = find_positions(pair)
        if profile.trust_caches:
            return cls(profile, pair)
        caches = check_caches(pair)
        decoder = Decoder(pair, uses=cache_uses(caches), trusts=False)
        if captured := check_captured_steps(decoder):
            caches["captured"] = captured
        return cls(profile, pair, caches, decoder)

    @property
    def uses_cuda_graphs(self) -> bool:
        """Whether decoding steps run as CUDA graphs."""
        return self._decoder.captures

    def forward_seconds(self, lanes: int) -> tuple[float, ...]:
        """See `Decoder`."""
        return self._decoder.forward_seconds(lanes)

    def batches(self, request: AnyRequest) -> Generator[Sequence[Event], None, None]:
        """The events of a request, one batch per token."""
        if isinstance(request, OpeningsRequest):
            reply = request.reply_of(self._prompt(request.messages, request))
            controls = _controls([reply])
            measured = self._decoder.opening(reply, controls, request.path)
            return self._answer(controls, [((), as_opening(reply, measured))])
        if isinstance(request, PromptRequest):
            return self._answer(Controls({}), [((), iter([[self._prompts.tokens(request)]]))])
        if isinstance(request, NamesRequest):
            describe = self.pair.token_bytes.describe
            names = Names(tuple(describe(token)[0] for token in request.tokens))
            return self._answer(Controls({}), [((), iter([[names]]))])
        if isinstance(request, ReadRequest):
            reader = self._decoder.text_reader(request, self._tokens(request))
            controls = Controls({request.document: request.alphas[0]})
            return self._answer(controls, [((), reader.read(controls))])
        if isinstance(request, SampleRequest):
            return self._sampled(request)
        if isinstance(request, RescoreRequest):
            check_given(self.pair, request)
            rescorer = self._decoder.rescorer(request)
            controls = Controls({given.reply: 0.0 for given in request.replies})
            return self._answer(controls, [((), rescorer.run(controls))])
        if isinstance(request, StageReadRequest):
            raise UsageError(
                "This pair is no chain of stages.", "Open a profile with stages, as demo-chain is."
            )
        if not request.lanes:
            raise UsageError("The request has no lane.", "Give at least one.")
        if isinstance(request, ScoreRequest):
            self._check_stages(request.lanes)
            scored = [request.reply_of(lane) for lane in request.lanes]
            controls = _controls(scored)
            score = self._decoder.score(scored, controls, request.tokens)
            return self._answer(controls, [(scored, score)])
        self._check_stages(request.lanes)
        prompts = {
            messages: self._prompt_of(messages, request)
            for messages in dict.fromkeys(map(request.messages_of, request.lanes))
        }
        request = self._prompts.begun(request, prompts[request.messages_of(request.lanes[0])])
        replies = [
            request.reply_of(lane, prompts[request.messages_of(lane)], len(request.forced))
            for lane in request.lanes
        ]
        recorded = [self._prompts.recorded(reply, request) for reply in replies]
        return self.decode(recorded, request.forced)

    def _check_stages(self, lanes: Sequence[OfLane]) -> None:
        """Raises UsageError for a lane of other stages, as whose it would be recorded."""
        for lane in lanes:
            if lane.stages not in (None, self._stages):
                raise UsageError(
                    f"The stages {' and '.join(lane.stages)} are not the ones that are loaded.",
                    "Open the chain that has them.",
                )

    def _prompt_of(self, messages: Sequence[Message], request: Request) -> PromptIds:
        """The ids that are given for the request's own messages, else those of a rendering."""
        given = request.prompt if messages == request.messages else None
        return given or self._prompt(messages, request)

    def _prompt(self, messages: Sequence[Message], request: Request | OpeningsRequest) -> PromptIds:
        return self._prompts.ids(
            messages, raw=request.raw, time=request.time, template=request.template
        )

    def decode(
        self,
        replies: Sequence[Reply],
        forced: tuple[int, ...] = (),
        ahead: bool = True,
        turn_ends: TurnEnds | None = None,
    ) -> Generator[Sequence[Event], None, None]:
        """Decode the lanes of one request from their records, which hold the prompt ids.

        Yields and raises as `batches` does, and LogitAmpError for ids that the
        pair does not have. Without `ahead` a command takes effect with the next
        token on every device; with it, possibly with the one after. `turn_ends` are those of
        the session that the records are from; None: of this one.
        """
        self._check_stages(replies)
        # Lanes with the same prompt are decoded together, in order of first appearance.
        groups: dict[PromptIds, list[Reply]] = {}
        for reply in replies:
            groups.setdefault(reply.prompt, []).append(reply)
        controls = _controls(replies)
        return self._answer(
            controls,
            [
                (group, self._decoder.decode(group, controls, forced, ahead, turn_ends))
                for group in groups.values()
            ],
        )

    def _sampled(self, request: SampleRequest) -> Generator[Sequence[Event], None, None]:
        chat, moment = self._prompts.chat(request.template), self._prompts.moment(request.time)
        prompts = asked_prompts(self.pair, chat, request, moment)
        self._prompts.tell([notice for prompt in prompts for notice in prompt.notices])
        controls = Controls({draw.reply: draw.alpha for draw in request.draws})
        sampler = self._decoder.sampler(request, prompts, controls)
        return self._answer(controls, [((), sampler.run())])

    def _tokens(self, request: ReadRequest) -> DocumentTokens:
        self._prompts.check_differ(request.content)
        return document_tokens(
            request.content,
            self._prompts.moment(request.time),
            chat=self._prompts.chat(request.template),
            token_bytes=self.pair.token_bytes,
            end_of_turn=self.pair.end_of_turn,
        )

    def _answer(self, controls: Controls, groups: Groups) -> Generator[Sequence[Event], None, None]:
        """Answer, once the request before has ended."""
        return self._requests.run(self._batches(controls, groups))

    def _batches(
        self, controls: Controls, groups: Groups
    ) -> Generator[Sequence[Event], None, None]:
        """Yield each group's replies and batches in turn, while `controls` takes adjustments."""
        if self._stale:
            self._decoder.forget()
            self._stale = False
        self._controls = controls
        try:
            for replies, batches in groups:
                yield replies
                yield from batches
            yield [*self._prompts.notices(), *self._noticed(), Idle()]
        finally:
            self._controls = None

    def close(self) -> None:
        """Drop the caches; the models are freed with the last reference to this engine."""
        try:
            self._requests.end()
        except UsageError:
            self.apply(Stop())  # the thread that answers ends it
            return
        self._decoder.forget()
        gc.collect()  # transformers' models are in reference cycles
        if self.pair.device.type == "cuda":
            torch.cuda.empty_cache()

    def apply(self, command: Adjustment) -> None:
        """Change the request in progress; without one, only Forget has an effect."""
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
            case Drain():
                controls.drained = True

    def warm_up(self, report: Callable[[Loading], None]) -> None:
        """Touch every weight once, so that the first reply is as fast as later ones.

        If steps are to be captured, this captures those of one lane; a failure becomes a notice.
        """
        report(Loading(stage="warm-up", detail="first token", done=0, total=1))
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
        for _ in self._decoder.decode([reply], _controls([reply])):
            pass
        self._decoder.forget()
        notices = [*self.opened.notices]
        mixes_ends = self.opened.session.profile["sampling"]["ends"] == "mix"
        if mixes_ends and (sentence := unlearned_end(self.pair, self._prompts.chat())):
            notices.append(sentence)
        notices += [noticed.sentence for noticed in self._noticed()]
        self.opened = replace(self.opened, notices=tuple(notices))
        report(Loading(stage="warm-up", detail="first token", done=1, total=1))

    def _noticed(self) -> list[Noticed]:
        """Why steps are no longer captured, reported once."""
        failure = self._decoder.capture_failure
        if failure == self._told:
            return []
        self._told = failure
        return [
            Noticed(
                f"Decoding steps could not be captured as CUDA graphs ({failure}):"
                " they run eagerly, slower but with the same numbers."
            )
        ]


def _controls(replies: Sequence[Reply]) -> Controls:
    return Controls({reply.id: reply.alpha for reply in replies})
