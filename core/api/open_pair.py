"""An open pair: ask it, stream from it, close it."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from logit_amp_chat.core.api.chosen_profile import adjusted
from logit_amp_chat.core.api.collected_replies import CollectedReplies
from logit_amp_chat.core.api.diff_request import (
    DiffOptions,
    Text,
    diff_settings,
    file_sources,
    text_source,
    whole_number,
)
from logit_amp_chat.core.api.interrupts import interruptible
from logit_amp_chat.core.api.loss import LossCurve, loss_settings, sources_of
from logit_amp_chat.core.api.openings import Openings, make_openings_request
from logit_amp_chat.core.api.replies import Replies
from logit_amp_chat.core.api.request import (
    Alphas,
    Options,
    Prompt,
    Seeds,
    make_request,
    prompt_request,
)
from logit_amp_chat.core.api.sides import SideOptions, described
from logit_amp_chat.core.api.sweep import (
    Behaviours,
    PairSweep,
    SweepOptions,
    SweepPrompts,
    begin_sweep,
    behaviours_of,
    over_of,
    sampled_into,
)
from logit_amp_chat.core.api.text_diff import TextDiff, text_diffs
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.prompt_settings import checked_variables
from logit_amp_chat.core.engine_interface import Engine
from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.diff import Diff
from logit_amp_chat.core.experiments.loss import Loss
from logit_amp_chat.core.experiments.sources import Refused
from logit_amp_chat.core.prompts import PromptTokens
from logit_amp_chat.core.protocol import Adjustment, Event, Forget, Loading, Request, Stop
from logit_amp_chat.core.records import Finish, Opening, Session, Step, TemplateValue
from logit_amp_chat.core.sampling import Ends


def open_pair(
    profile: str | Path | Profile | None = None,
    *,
    before: str | None = None,
    after: str | None = None,
    adapter: str | None = None,
    quantization: str | None = None,
    dtype: str | None = None,
    vocabulary: str | None = None,
    trust_caches: bool | None = None,
    template: Mapping[str, TemplateValue] | None = None,
    device: str | None = None,
    engine: str | None = None,
    process: bool = False,
    report: Callable[[Loading], None] = lambda _: None,
    **sides: Unpack[SideOptions],
) -> OpenPair:
    """Load two models and make them ready.

    `profile` is a name or a YAML file (default: demo), `before` and `after` are Hub ids or
    folders, `adapter` is a LoRA on one model. `vocabulary` "by-id" takes an id for one token
    on both sides where they name it differently. Replies are compared with whole forward passes
    first, and caches used as far as they agree, unless `trust_caches`. `engine` "vllm" has vLLM
    compute the models, in an environment of its own (docs/vllm.md). `template` adds variables
    of the chat template to those of the profile. With `process` the models run in a separate
    process, whose crash costs no more than a reload. `report` receives progress. `SideOptions`
    lists what chooses two stages, or gives the sides prompts of their own.

    Raises ProfileError, PairError and UsageError.
    """
    chosen = described((profile, before, after, adapter), sides, report)
    settings: dict[str, Any] = {
        "quantization": quantization,
        "dtype": dtype,
        "vocabulary": vocabulary,
    }
    settings |= {"template": checked_variables(template or {})}
    chosen = adjusted(chosen, settings | {"trust_caches": trust_caches, "device": device})
    chosen = adjusted(chosen, {"engine": engine})
    opened: Engine
    if process:
        from logit_amp_chat.core.engine.process import ProcessEngine

        opened = ProcessEngine.open(chosen, report)
    else:
        from logit_amp_chat.core.engine.opened_engine import open_engine

        opened = open_engine(chosen, report)
    return OpenPair(chosen, opened)


class OpenPair:
    """Two models, ready to answer; a context manager that closes on exit.

    It answers one request at a time: the next one ends a stream that is not exhausted.
    """

    def __init__(self, profile: Profile, engine: Engine) -> None:
        self.profile = profile
        self.session: Session = engine.opened.session
        self._beside: dict[tuple[str, ...], Session] = {}
        self.notices = engine.opened.notices
        self._engine: Engine | None = engine
        # A pair that is dropped, as by running a notebook's cell again, gives its models back.
        self._finalizer = weakref.finalize(self, engine.close)

    def reply(
        self,
        prompt: Prompt,
        *,
        alpha: Alphas | None = None,
        seed: Seeds | None = None,
        **options: Unpack[Options],
    ) -> Replies:
        """Answer a text, or a list of messages, once for every α and seed, in one pass.

        A message is `{"role": …, "content": …}` or a record. What is not given comes from the
        profile; `Options` lists the other arguments.

        An interrupt (ctrl+c, or a notebook's stop) ends every reply where it is. A reply
        that breaks off says so in its `finish`; stages that never began to reply are named in a
        warning, as is what one would not expect of the prompt. Raises UsageError, ContextError and
        EngineError.
        """
        request = make_request(self.profile, prompt, alpha=alpha, seed=seed, **options)
        collected = CollectedReplies(self.session, request, self._beside)
        why = "it was stopped."
        try:
            with self.interruptible():
                for event in self.events(request):
                    collected.take(event)
        except Exception as error:
            if not collected.logs:
                raise
            collected.break_off(error)  # what was said before is not lost
            why = str(error)
        if collected.missing:
            warnings.warn(f"No reply of {', '.join(collected.missing)}: {why}", stacklevel=2)
        for notice in collected.notices:
            warnings.warn(notice, stacklevel=2)
        return collected.replies()

    def stream(
        self,
        prompt: Prompt,
        *,
        alpha: float | None = None,
        seed: int | None = None,
        **options: Unpack[Options],
    ) -> Iterator[Step]:
        """The steps of one reply, token by token; arguments and errors are those of `reply`.

        Raises LogitAmpError if the reply breaks off.
        """
        request = make_request(self.profile, prompt, alpha=alpha, seed=seed, **options)
        if len(request.lanes) > 1:
            raise UsageError("A stream is one reply.", "For several αs or seeds there is reply.")
        return self._steps(self.events(request))

    def _steps(self, events: Iterator[Event]) -> Iterator[Step]:
        # A method, so that a stream keeps its pair.
        for event in events:
            if isinstance(event, Step):
                yield event
            elif isinstance(event, Finish) and event.reason == "error":
                raise LogitAmpError(f"The reply broke off: {event.error}")

    def prompt(self, prompt: Prompt, **options: Unpack[Options]) -> PromptTokens:
        """What `reply` with the same arguments would prompt each side with; nothing is computed.

        The texts of the tokens of a side together are its prompt; `notices` say what one would
        not expect. Raises UsageError, EngineError, and LogitAmpError where the chat template
        refuses the messages.
        """
        return self.prompt_of(make_request(self.profile, prompt, **options))

    def prompt_of(self, request: Request) -> PromptTokens:
        """What a request would prompt each side with; raises as `prompt` does."""
        shown = self.engine.prompt(prompt_request(request))
        found = [event for event in shown if isinstance(event, PromptTokens)]
        if not found:
            raise LogitAmpError("The prompt was not rendered: another request ended this one.")
        return found[0]

    def openings(
        self,
        prompt: Prompt,
        *,
        path: Iterable[int] = (),
        alpha: float | None = None,
        system: str | None = None,
        template: Mapping[str, TemplateValue] | None = None,
        special_tokens: bool = False,
        raw: bool = False,
        top: int | None = None,
        ends: Ends | None = None,
    ) -> Openings:
        """What each distribution would begin the answer with, after the token ids `path`.

        Nothing is sampled. The rows are the `top` (20) likeliest tokens under each of the
        three, and as many that training moved most. Raises UsageError, ContextError,
        EngineError, and LogitAmpError if the numbers are none.
        """
        request = make_openings_request(
            self.profile,
            prompt,
            path,
            alpha,
            system=system,
            template=template,
            special_tokens=special_tokens,
            raw=raw,
            top=top,
            ends=ends,
        )
        self.engine.apply(Forget())  # the same numbers to the last digit, as in `events`
        found = [e for e in self.engine.openings(request) if isinstance(e, Opening)]
        if not found:
            raise LogitAmpError("The openings were not measured: another request ended this one.")
        return Openings(found[0])

    def diff(self, text: Text, **options: Unpack[DiffOptions]) -> TextDiff:
        """Read a text, a list of messages, or the only text of a file, once under both models.

        Nothing is generated. A `str` is a text, a file needs a Path; `DiffOptions` lists the other
        arguments. An interrupt ends it where it is: what was read until then is returned.
        Raises UsageError, EngineError, and LogitAmpError for what cannot be read.
        """
        source = text_source(text, options, self.session.vocabulary)
        diff = Diff(self.engine, [source], diff_settings(self.profile.sampling.ends, options))
        with self.interruptible(diff.stop):
            found = list(text_diffs(diff, choose_threshold=options.get("threshold") is None))
        if not found:
            raise diff.refused[0].error if diff.refused else KeyboardInterrupt
        return found[0]

    def diff_files(self, *paths: str | Path, **options: Unpack[DiffOptions]) -> Iterator[TextDiff]:
        """Every text in files and folders, one after the other, as `diff` reads them.

        Without a threshold there is one for all. What cannot be read is a warning. Raises
        UsageError and EngineError.
        """
        sources = file_sources(paths, options, self.session.vocabulary)
        diff = Diff(self.engine, sources, diff_settings(self.profile.sampling.ends, options))
        return self._diffs(diff, choose_threshold=options.get("threshold") is None)

    def _diffs(self, diff: Diff, *, choose_threshold: bool) -> Iterator[TextDiff]:
        # A method, so that the iterator keeps its pair.
        yield from text_diffs(diff, choose_threshold=choose_threshold)
        for one in diff.refused:
            name = f"{one.name} {one.place}".strip()
            warnings.warn(f"Not read: {name}: {one.error}", stacklevel=2)

    def loss(
        self,
        texts: str | Iterable[Prompt],
        *,
        alpha: Alphas | None = None,
        first_token: bool = True,
        window: int | None = None,
    ) -> LossCurve:
        """The loss of texts at every α (default: −1.5 to 3 in steps of 0.25), read once.

        A text is a string, or a chat as a list of messages, whose assistant's tokens count; none
        sees another. Nothing is masked, and the temperature is 1. Without `first_token` the
        first token of a string does not count; where the tokenizer has no beginning of text it
        cannot. `window` is how many tokens are read at once. An interrupt returns the curve of
        what was read.

        Raises UsageError, EngineError, and LogitAmpError where a text cannot be read, or where
        the curve is not convex: then the numbers are wrong.
        """
        settings = loss_settings(alpha, first_token=first_token, window=window)
        loss = Loss(self.engine, sources_of(texts), settings)
        with self.interruptible(loss.stop):
            for event in loss:
                if isinstance(event, Refused):
                    raise event.error
        if loss.cancelled and not loss.documents:
            raise KeyboardInterrupt
        return LossCurve(loss)

    def sweep(
        self,
        prompts: SweepPrompts,
        *,
        behaviours: Behaviours | None = None,
        out: str | Path | None = None,
        rows: int | None = None,
        **options: Unpack[SweepOptions],
    ) -> PairSweep:
        """Sample many replies to every prompt at every α, and count behaviours in them.

        Prompts are a text, a list of texts and chats, or the Path of a file. A behaviour is a
        regular expression, or a function of a reply's text that returns a bool or a float.
        Replies are saved in the folder `out` (None: among the user's sweeps) as they end, and a
        sweep that is there goes on; `rows` are sampled at once. `SweepOptions` lists the other
        arguments. An interrupt finishes what has begun and returns what is there.

        Raises UsageError, EngineError, and LogitAmpError for what cannot be counted.
        """
        found, over = behaviours_of(behaviours or {}), over_of(options)
        rows = whole_number(rows, "rows", 1)
        begun = begin_sweep(self.profile, self.session, prompts, out, options)
        return sampled_into(begun, self, rows, found, over)

    def events(self, request: Request) -> Iterator[Event]:
        """Everything an engine reports of a request, as `Engine.generate` does.

        From empty caches, so that the same request gives the same numbers to the last digit.
        """
        self.engine.apply(Forget())
        return self.engine.generate(request)

    @property
    def engine(self) -> Engine:
        """The engine that answers. Raises UsageError once the pair is closed."""
        if self._engine is None:
            raise UsageError("This pair is closed.", "Open it again with open_pair.")
        return self._engine

    @contextlib.contextmanager
    def interruptible(
        self, stop: Callable[[], None] | None = None, *, command: Adjustment | None = None
    ) -> Iterator[None]:
        """The first ctrl+c ends the request in progress, the second raises KeyboardInterrupt.

        It ends as `command` says (None: Stop). Where there are more requests to come, `stop` is
        called as well.
        """

        def end() -> None:
            self.engine.apply(command or Stop())
            if stop is not None:
                stop()

        with interruptible(end):
            yield

    def close(self) -> None:
        """Free the models; closing twice is fine."""
        self._engine = None
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._engine is None else "open"
        return f"<{state} pair {self.profile.title!r} on {self.session.device}>"
