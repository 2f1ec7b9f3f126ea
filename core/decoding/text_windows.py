"""How a text is cut into the windows it is read in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.document_tokens import DocumentTokens
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.vocabulary import beginning_of_text
from logit_amp_chat.core.reading import PlainText, ReadRequest, StageReadRequest, Window, windows
from logit_amp_chat.core.records import PromptIds

# Plain text is read in windows of this many tokens at most: what is further back changes little.
WINDOW = 2048

AnyRead = ReadRequest | StageReadRequest


@dataclass(frozen=True)
class WindowedText:
    """A document's ids as they are read: `head` begins every window of `window` tokens.

    `scored` says which of `tokens` are measured; the text's own prompt is among them, unless
    the sides have prompts of their own, which are the head then. `stride` is how many tokens
    every window after the first measures.
    """

    head: PromptIds
    tokens: tuple[int, ...]
    scored: tuple[bool, ...]
    offsets: tuple[tuple[int, int], ...]
    window: int
    stride: int

    @classmethod
    def of(cls, pair: Pair, request: AnyRead, found: DocumentTokens) -> WindowedText:
        """Raises UsageError for windows that cannot be, LogitAmpError for ids of one side only."""
        head, own = _head(found.prompt, beginning_of_text(pair.tokenizer))
        scored = [*[False] * len(own), *found.scored]
        if scored and not (head.before and head.after):
            scored[0] = False  # nothing comes before it
        window, stride = _sizes(pair, request, max(len(head.before), len(head.after)))
        tokens = own + found.tokens
        _check(pair, (*head.before, *head.after, *tokens))
        offsets = ((0, 0),) * len(own) + found.offsets
        return cls(head, tokens, tuple(scored), offsets, window, stride)

    @property
    def scored_offsets(self) -> tuple[tuple[int, int], ...]:
        """The offsets of the tokens that are measured."""
        pairs = zip(self.offsets, self.scored, strict=True)
        return tuple(offset for offset, scored in pairs if scored)

    def windows(self) -> Iterator[Window]:
        """The windows in which some token is measured; together they measure each one once."""
        room = self.window - max(len(self.head.before), len(self.head.after))
        for window in windows(len(self.tokens), room, self.stride):
            if any(self.scored[window.first : window.end]):
                yield window

    def ids(self, window: Window) -> PromptIds:
        """What each side reads: a token's logits are those of the position before it."""
        ids = self.tokens[window.begin : window.end - 1]
        return PromptIds(self.head.before + ids, self.head.after + ids)

    def places(self, window: Window) -> range:
        """The tokens that a window has logits for: all from `first` on, with something before."""
        alone = not (self.head.before and self.head.after)
        return range(max(window.first, window.begin + alone), window.end)


def _head(prompt: PromptIds, beginning: tuple[int, ...]) -> tuple[PromptIds, tuple[int, ...]]:
    """What begins every window, and what is left of the prompt."""
    if prompt.before != prompt.after:
        return prompt, ()
    begun = beginning if prompt.after[: len(beginning)] == beginning else ()
    return PromptIds(begun, begun), prompt.after[len(begun) :]


def _sizes(pair: Pair, request: AnyRead, head: int) -> tuple[int, int]:
    """The window and stride in tokens. Raises UsageError."""
    usual = pair.context
    if isinstance(request.content, PlainText):
        # A rope switch changes the numbers of all tokens before it.
        usual = min(usual, WINDOW, pair.rope_switch or usual)
    window = usual if request.window is None else request.window
    least = head + 2
    if not least <= window <= pair.context:
        raise UsageError(
            f"A window of {window:,} tokens cannot be read: this text needs {least:,} at least,"
            f" and the pair holds {pair.context:,}.",
            f"Choose a window between {least:,} and {pair.context:,}.",
        )
    most = window - max(1, head)
    if request.stride is not None and not 1 <= request.stride <= most:
        raise UsageError(
            f"A stride of {request.stride:,} tokens does not fit into windows of {window:,}.",
            f"Choose a stride between 1 and {most:,}.",
        )
    return window, request.stride or min(most, max(1, window // 2))


def _check(pair: Pair, ids: tuple[int, ...]) -> None:
    if ids and not 0 <= min(ids) <= max(ids) < pair.size:
        raise LogitAmpError(
            "The text has token ids that this pair's sides do not share: ids go up to"
            f" {pair.size - 1:,}.",
            "Use a pair whose two sides both know every token of it.",
        )
