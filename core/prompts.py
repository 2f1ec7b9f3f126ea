"""What the models are prompted with: messages rendered, looked at, and measured at their end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from logit_amp_chat.core.records import Message, PromptIds, Reply, Variables
from logit_amp_chat.core.sampling import Ends, Sampling


def turn_of(messages: Sequence[Message]) -> int:
    """Index of the user turn that is answered, from 0."""
    return max(0, sum(message.role == "user" for message in messages) - 1)


def parent_of(messages: Sequence[Message]) -> str | None:
    """The id of the message that is answered."""
    return messages[-1].id if messages else None


def system_prompt(history: Iterable[Message]) -> Message | None:
    """The system prompt in force after `history`; None: the template's own.

    An empty one takes back the one before it. Without one before it, it removes the template's
    own, and is in force itself.
    """
    found: Message | None = None
    for message in history:
        if message.role == "system":
            found = message if message.text or found is None else None
    return found


class PromptToken(NamedTuple):
    """One token of a prompt; `special` ones were written by the template or meant as such.

    `text` is what it completes: a character of several tokens is that of the last of them.
    """

    id: int
    text: str
    special: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRequest:
    """Render what a `Request` with these fields would give to the models; nothing is computed.

    With `recorded` the prompt is those ids, as a reply has them, and not rendered anew.
    """

    messages: tuple[Message, ...]
    raw: bool = False
    time: str | None = None
    template: Variables | None = None
    forced: tuple[int, ...] = ()
    begin: str = ""
    recorded: PromptIds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTokens:
    """The prompt of each side, and the tokens that begin the reply: `given`, often none.

    `notices` say, a sentence each, what differs from what one would expect: a system prompt
    that the template adds or ignores, a reply that could not be placed as it was sampled.
    `added` is how many tokens of before and after no message says; None where that is uncertain.
    """

    before: tuple[PromptToken, ...]
    after: tuple[PromptToken, ...]
    given: tuple[PromptToken, ...] = ()
    notices: tuple[str, ...] = ()
    added: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningsRequest:
    """Measure how an answer to `messages` goes on after the token ids `path`, at one α.

    `messages`, `raw`, `time` and `template` are those of a `Request`, `ends` that of its
    sampling. Nothing is sampled: the result is one `Opening`, with `top` candidates of each
    kind. An end of turn in `path` ends nothing.
    """

    messages: tuple[Message, ...]
    alpha: float
    path: tuple[int, ...] = ()
    raw: bool = False
    top: int = 20
    time: str | None = None
    template: Variables | None = None
    ends: Ends = "mix"

    def reply_of(self, prompt: PromptIds) -> Reply:
        """The path and the likeliest token after it as a reply, which has the same statistics."""
        longest = len(self.path) + 1
        return Reply(
            id="opening",
            parent=parent_of(self.messages),
            lane="amplified",
            alpha=self.alpha,
            seed=0,
            turn=turn_of(self.messages),
            sampling=Sampling(temperature=0.0, max_new_tokens=longest, ends=self.ends),
            prompt=prompt,
            forced=len(self.path),
            raw=self.raw,
            candidates=self.top,
            template=dict(self.template or {}),
        )
