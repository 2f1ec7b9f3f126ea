"""Builds a request from a caller's arguments: messages, αs, seeds, sampling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypedDict, Unpack, get_args

from pydantic import ValidationError

from logit_amp_chat.core.api.chosen_profile import refused
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.lanes import lane_names
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Message, Role, Sampling, new_id
from logit_amp_chat.core.text import clean

Prompt = str | Sequence[Message | Mapping[str, str]]
# One, or several as any iterable: a list, a range, an array.
Alphas = float | Iterable[float]
Seeds = int | Iterable[int]
TOP = 10


class Options(TypedDict, total=False):
    """What a request may set besides αs and seeds; None or a missing key is the profile's value.

    `raw` uses the text as it is, without a chat template; `top` candidates of each kind go
    into every step; the others set how tokens are sampled (see `Sampling`).
    """

    system: str | None
    raw: bool
    top: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    plausibility: float | None
    max_new_tokens: int | None


def make_request(
    profile: Profile,
    prompt: Prompt,
    *,
    alpha: Alphas | None = None,
    seed: Seeds | None = None,
    **options: Unpack[Options],
) -> Request:
    """One lane for every α and seed, all answering `prompt`. Raises UsageError."""
    sampling = {name: options.get(name) for name in Sampling.model_fields if name != "seed"}
    raw, system, top = options.get("raw", False), options.get("system"), options.get("top")
    if top is not None and top < 0:
        raise UsageError(f"top: expected 0 or more, found {top}.")
    if raw and system is not None:
        raise UsageError("A raw prompt takes no system prompt.", "Leave one out.")
    alphas = [*map(float, _several(profile.alpha if alpha is None else alpha, "alpha"))]
    for value in alphas:
        if not math.isfinite(value):
            raise UsageError(f"alpha: expected a finite number, found {value}.")
    chosen = sampled(profile.sampling, sampling)
    seeds = _several(chosen.seed if seed is None else seed, "seed")
    for one in seeds:
        sampled(chosen, {"seed": one})
    return Request(
        messages=messages_of(prompt, None if raw else system or profile.system),
        lanes=tuple(
            Lane(reply=new_id("r"), name=name, alpha=value, seed=one)
            for name, value in zip(lane_names(alphas), alphas, strict=True)
            for one in seeds
        ),
        sampling=chosen.model_copy(update={"seed": seeds[0]}),
        raw=raw,
        top=TOP if top is None else top,
    )


def sampled(sampling: Sampling, given: Mapping[str, Any]) -> Sampling:
    """The sampling, updated with what is given and not None. Raises UsageError."""
    changed = {name: value for name, value in given.items() if value is not None}
    try:
        return Sampling.model_validate(sampling.model_dump() | changed)
    except ValidationError as error:
        raise refused(error) from error


def messages_of(prompt: Prompt, system: str | None) -> tuple[Message, ...]:
    """The messages as records, each the child of the one before.

    `system` is put first if there is no system message yet. Raises UsageError.
    """
    said = [("user", prompt)] if isinstance(prompt, str) else [_role_and_text(m) for m in prompt]
    if not said:
        raise UsageError("There is no message to answer.", "Give a text or a list of messages.")
    if system and "system" not in (role for role, _ in said):
        said.insert(0, ("system", system))
    messages: list[Message] = []
    for role, text in said:
        parent = messages[-1].id if messages else None
        messages.append(Message(id=new_id("m"), parent=parent, role=role, text=clean(text)))  # type: ignore[arg-type]
    return tuple(messages)


def _role_and_text(message: Message | Mapping[str, str]) -> tuple[str, str]:
    if isinstance(message, Message):
        return message.role, message.text
    role = message.get("role") if isinstance(message, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if role not in get_args(Role) or not isinstance(content, str):
        raise UsageError(
            f"This is not a message: {message!r:.100}.",
            'Write {"role": "user", "content": "…"}; a role is system, user or assistant.',
        )
    return str(role), content


def _several(value: Any, name: str) -> list[Any]:
    """One number or several (numpy's too) as a list of Python's. Raises UsageError for none."""
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not found:
        raise UsageError(f"{name}: expected at least one number.")
    for one in found:
        if isinstance(one, bool) or not isinstance(one, Real):
            raise UsageError(f"{name}: expected a number, found {one!r}.")
    return [int(one) if isinstance(one, Integral) else float(one) for one in found]
