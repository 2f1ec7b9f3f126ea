"""What OpenAI's clients send: fields that count, those that may be ignored, and no others.

A field that this server does not know, or a value of one that would change the numbers and is
not followed here, is refused: an evaluation must not get other numbers than it asked for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.sampling import Ends

LONGEST_TOP = 20
Nothing = Annotated[float, Field(ge=0, le=0)]
"""A number whose only value is 0: what it asks for is not done here."""
Ids = list[Annotated[int, Field(ge=0)]]


class StreamOptions(BaseModel):
    """What a stream ends with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str
    alpha: float | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    plausibility: float | None = None
    ends: Ends | None = None
    repetition_penalty: float | None = None
    frequency_penalty: Nothing | None = None
    presence_penalty: Nothing | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: Literal[False] | None = None

    @property
    def stops(self) -> list[str] | None:
        """The stop strings; None for those of the profile."""
        return [self.stop] if isinstance(self.stop, str) else self.stop

    @property
    def options(self) -> dict[str, Any]:
        """What of `core.api.request.Options` the body sets."""
        same = ("temperature", "top_p", "top_k", "min_p", "plausibility", "ends")
        found = {name: getattr(self, name) for name in (*same, "repetition_penalty")}
        return found | {"stop": self.stops}


class TextPart(BaseModel):
    """A part of a message; only text is understood."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message; the parts of its content are one text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def said(self) -> dict[str, str]:
        """The message as our requests have it."""
        parts = self.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return {"role": self.role.replace("developer", "system"), "content": text}


class ChatBody(_Body):
    """The body of /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=LONGEST_TOP)] | None = None

    @property
    def limit(self) -> int | None:
        """The most new tokens; None: the profile's. Raises UsageError."""
        old, new = self.max_tokens, self.max_completion_tokens
        if old is not None and new is not None and old != new:
            raise UsageError("max_tokens and max_completion_tokens differ.", "Leave one out.")
        return old if new is None else new

    @property
    def top(self) -> int | None:
        """How many alternatives a token is reported with; None: no log-probabilities at all.

        Raises UsageError.
        """
        if self.top_logprobs is not None and not self.logprobs:
            raise UsageError("top_logprobs: needs logprobs.", "Set logprobs to true.")
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionBody(_Body):
    """The body of /v1/completions."""

    prompt: str | list[str] | Ids | list[Ids]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=LONGEST_TOP)] | None = None
    best_of: Annotated[int, Field(ge=1)] | None = None
    suffix: Literal[""] | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """Every prompt, as a text or as token ids. Raises UsageError."""
        given = self.prompt
        one = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
        found: list[Any] = [given] if one else list(given)
        if not found or any(prompt == [] for prompt in found):
            raise UsageError("prompt: expected at least one text or token id.")
        return found


B = TypeVar("B", bound=BaseModel)


def parse(kind: type[B], data: bytes) -> B:
    """The body of a request. Raises UsageError, which names the field."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, detail["loc"])) or "body"
        if detail["type"] == "extra_forbidden":
            raise UsageError(f"{where}: this server does not follow it.", "Leave it out.") from None
        raise UsageError(f"{where}: {detail['msg']}."[:300]) from None
