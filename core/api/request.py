"""Builds a request from a caller's arguments: messages, αs, seeds, sampling."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, TypedDict, Unpack, get_args

from pydantic import ValidationError

from logit_amp_chat.core.api.chosen_profile import refused
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.prompt_settings import checked_variables
from logit_amp_chat.core.config.stages import stages_of
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.lanes import lane_names, lane_of
from logit_amp_chat.core.prompts import PromptRequest
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.reading import Chat, PlainText, Score
from logit_amp_chat.core.records import Message, Role, TemplateValue, new_id
from logit_amp_chat.core.sampling import Ends, Penalize, Sampling
from logit_amp_chat.core.text import clean

Prompt = str | Sequence[Message | Mapping[str, str]]
# One, or several as any iterable: a list, a range, an array.
Alphas = float | Iterable[float]
Seeds = int | Iterable[int]
TOP = 10


class SamplingOptions(TypedDict, total=False):
    """How tokens are sampled (see `Sampling`); None or a missing key is the default."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    plausibility: float | None
    ends: Ends | None
    max_new_tokens: int | None
    stop: Sequence[str] | None
    repetition_penalty: float | None
    dry_multiplier: float | None
    dry_base: float | None
    dry_allowed_length: int | None
    dry_breakers: Sequence[str] | None
    penalize: Penalize | None


class Options(SamplingOptions, total=False):
    """What a request may set besides αs and seeds; None or a missing key is the profile's value.

    `template` adds variables of the chat template to the profile's. With `special_tokens` those
    that the messages spell are these tokens, else text. `raw` uses the text as it is, without a
    chat template; `begin` is what every reply begins with; `top` candidates of each kind go into
    every step; `stages` of a chain ("sft", or an α between two: "base>dpo 1.5") reply in place of
    αs, with the same noise; the others set how
    tokens are sampled (see `Sampling`).
    """

    system: str | None
    template: Mapping[str, TemplateValue] | None
    special_tokens: bool
    raw: bool
    begin: str | None
    top: int | None
    stages: Sequence[str] | None


def make_request(
    profile: Profile,
    prompt: Prompt,
    *,
    alpha: Alphas | None = None,
    seed: Seeds | None = None,
    **options: Unpack[Options],
) -> Request:
    """One lane for every α or stage, and every seed, all answering `prompt`. Raises UsageError."""
    _refuse_unknown(options)
    sampling = {name: options.get(name) for name in Sampling.model_fields if name != "seed"}
    raw, system, special = _checked(options)
    lanes = _lanes(profile, alpha, options.get("stages"))
    chosen = sampled(profile.sampling, sampling)
    seeds = several(chosen.seed if seed is None else seed, "seed")
    for one in seeds:
        sampled(chosen, {"seed": one})
    return Request(
        messages=messages_of(
            prompt,
            None if raw else profile.system if system is None else system,
            raw=raw,
            special=special,
        ),
        lanes=tuple(replace(lane, reply=new_id("r"), seed=one) for lane in lanes for one in seeds),
        sampling=chosen.model_copy(update={"seed": seeds[0]}),
        raw=raw,
        top=_top(options),
        template=_variables(profile, options),
        begin=clean(options.get("begin") or ""),
    )


def _lanes(profile: Profile, alpha: Alphas | None, stages: Sequence[str] | None) -> Sequence[Lane]:
    """A lane for every α, or for every stage of the profile's chain. Raises UsageError."""
    if stages is None:
        alphas = finite_alphas(profile.alpha if alpha is None else alpha)
        named = zip(lane_names(alphas), alphas, strict=True)
        return [Lane(reply="", name=name, alpha=value) for name, value in named]
    if alpha is not None:
        raise UsageError("A lane has an α or is a stage.", "Leave out alpha or stages.")
    known = isinstance(stages, Iterable)
    wanted = [stages] if isinstance(stages, str) else [*stages] if known else []
    if not known or not all(isinstance(name, str) for name in wanted):
        raise UsageError(f"stages: expected names, found {stages!r}.")
    if not wanted:
        raise UsageError("stages: expected at least one name.")
    names = [stage.name for stage in stages_of(profile)]
    if not profile.stages:
        raise UsageError(f"{profile.name} is a pair, no chain of stages.", "Use alpha.")
    found = [lane_of(names, name) for name in wanted]
    return [Lane(reply="", name=at.key, alpha=at.alpha, stages=at.stages) for at in found]


def _checked(options: Options) -> tuple[bool, str | None, bool]:
    """Whether the prompt is raw, its system prompt, and whether it means special tokens.

    Raises UsageError.
    """
    raw, special = (options.get(name, False) for name in ("raw", "special_tokens"))
    system = options.get("system")
    for name, value in (("raw", raw), ("special_tokens", special)):
        if not isinstance(value, bool):
            raise UsageError(f"{name}: expected True or False, found {value!r}.")
    for name in ("system", "begin"):
        if not isinstance(options.get(name), str | None):
            raise UsageError(f"{name}: expected a text, found {options.get(name)!r}.")
    if raw and system is not None:
        raise UsageError("A raw prompt takes no system prompt.", "Leave one out.")
    return bool(raw), system, bool(special)


def _top(options: Options) -> int:
    asked = options.get("top")
    if asked is None:
        return TOP
    top, *more = several(asked, "top")
    if more or not isinstance(top, int) or top < 0:
        raise UsageError(f"top: expected a whole number, 0 or more, found {asked}.")
    return top


def _variables(profile: Profile, options: Options) -> dict[str, TemplateValue] | None:
    """The variables of the chat template; None where they are the profile's."""
    asked = options.get("template")
    if asked is None:
        return None
    try:
        return profile.template | checked_variables(asked)
    except UsageError as error:
        raise UsageError(f"template: {error.message}") from error


def prompt_request(request: Request) -> PromptRequest:
    """The request that shows what another one prompts with."""
    return PromptRequest(
        messages=request.messages,
        raw=request.raw,
        time=request.time,
        template=request.template,
        forced=request.forced,
        begin=request.begin,
    )


def sampled(sampling: Sampling, given: Mapping[str, Any]) -> Sampling:
    """The sampling, updated with what is given and not None. Raises UsageError."""
    changed = {
        name: value.item() if hasattr(value, "item") else value
        for name, value in given.items()
        if value is not None
    }
    try:
        return Sampling.model_validate(sampling.model_dump() | changed)
    except ValidationError as error:
        raise refused(error) from error


def finite_alphas(alpha: Alphas) -> list[float]:
    """One α, or several, as floats; at least one. Raises UsageError."""
    return [_finite(one) for one in several(alpha, "alpha")]


def _finite(alpha: float) -> float:
    try:
        value = float(alpha)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise UsageError(f"alpha: expected a finite number, found {value}.")
    return value


def _refuse_unknown(options: Mapping[str, object]) -> None:
    known = list(Options.__annotations__)
    for name in options.keys() - set(known):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(f"There is no option {name}.", f"{hint}There are {', '.join(known)}.")


def messages_of(
    prompt: Prompt, system: str | None, *, raw: bool = False, special: bool = False
) -> tuple[Message, ...]:
    """The messages as records, each the child of the one before.

    `system` is put first if there is no system message yet; an empty one asks for none. With
    `special` they mean the special tokens that they spell. Raises UsageError.
    """
    if not isinstance(prompt, str | Sequence) or isinstance(prompt, bytes):
        raise UsageError(f"The prompt is {prompt!r:.100}.", "Give a text or a list of messages.")
    if raw and not isinstance(prompt, str):
        raise UsageError("A raw prompt is one text.", "Give a text, or leave raw out.")
    if not prompt and isinstance(prompt, str) and not raw:  # a raw one may be what BOS begins
        raise UsageError("The prompt is empty.", "Give a text or a list of messages.")
    said = [_said("user", prompt)] if isinstance(prompt, str) else [_message(m) for m in prompt]
    if not said:
        raise UsageError("There is no message to answer.", "Give a text or a list of messages.")
    if system is not None and "system" not in (message.role for message in said):
        said.insert(0, _said("system", system))
    messages: list[Message] = []
    for message in said:
        parent = messages[-1].id if messages else None
        messages.append(replace(message, parent=parent, special=special or message.special))
    return tuple(messages)


def _said(role: Role, text: str) -> Message:
    return Message(id=new_id("m"), parent=None, role=role, text=clean(text))


def content_of(text: Prompt, score: Score = "assistant") -> PlainText | Chat:
    """A text as it is, or a list of messages as a chat of which the tokens of `score` count.

    Raises UsageError.
    """
    if isinstance(text, str):
        return PlainText(text=text)
    return Chat(messages=messages_of(text, None), score=score)


def check_texts(given: object, texts: Sequence[object]) -> None:
    """Raises UsageError unless `texts`, which were `given`, are texts and chats, one at least."""
    if isinstance(given, Mapping) or any(isinstance(one, Mapping | Message) for one in texts):
        raise UsageError(
            "A message stands where a text or a list of messages is expected.",
            "Give a list of texts and of chats; a chat is a list of messages.",
        )
    if not texts:
        raise UsageError("There is no text to read.", "Give at least one.")


def _message(message: Message | Mapping[str, str]) -> Message:
    if isinstance(message, Message):
        return replace(message, id=new_id("m"), text=clean(message.text))
    role = message.get("role") if isinstance(message, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if role not in get_args(Role) or not isinstance(content, str):
        raise UsageError(
            f"This is not a message: {message!r:.100}.",
            'Write {"role": "user", "content": "…"}; a role is system, user or assistant.',
        )
    return _said(role, content)  # type: ignore[arg-type]


def whole_numbers(values: Iterable[int], name: str) -> tuple[int, ...]:
    """Whole numbers from 0 on, of any iterable, an array too. Raises UsageError."""
    found = _numbers(values, name)
    for one in found:
        if not isinstance(one, int) or one < 0:
            raise UsageError(f"{name}: expected whole numbers, 0 or more, found {one!r}.")
    return tuple(found)


def several(value: Any, name: str) -> list[Any]:
    """One number, or several, as Python's; at least one. Raises UsageError."""
    found = _numbers(value, name)
    if not found:
        raise UsageError(f"{name}: expected at least one number.")
    return found


def _numbers(value: Any, name: str) -> list[Any]:
    """One number, or those of an iterable or an array, as Python's."""
    value = value.tolist() if hasattr(value, "tolist") else value
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    for one in found:
        if isinstance(one, bool) or not isinstance(one, Real):
            raise UsageError(f"{name}: expected a number, found {one!r}.")
    return [int(one) if isinstance(one, Integral) else float(one) for one in found]
