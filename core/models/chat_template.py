"""Renders messages to the prompt token ids of each side."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.given_ids import GivenIds
from logit_amp_chat.core.models.own_words import own_words
from logit_amp_chat.core.models.prompt_ids import Tokenized, encoded, literal
from logit_amp_chat.core.models.sampled_replies import (
    ALTERED,
    SampledTurn,
    Turn,
    sampled_ids,
    sampled_turn,
    widened,
)
from logit_amp_chat.core.models.side_prompt import SidePrompt, shortened, taken_for_tokens
from logit_amp_chat.core.models.special_tokens import SpecialTokens
from logit_amp_chat.core.models.template_variables import PLAIN_TEMPLATE, rendered_at
from logit_amp_chat.core.models.text_marks import Part, locate, located
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer, beginning_of_text
from logit_amp_chat.core.records import Message, PromptIds, Variables, told_apart

# Replies of which is remembered what a template gets of them.
REMEMBERED = 256

GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class ChatTemplate:
    """Renders a conversation for both sides.

    Both sides get the same template (`after`'s if it has one), so that they
    differ by training alone. A side's own system prompt replaces the
    conversation's; an empty one asks for none, not even one that the template
    has of its own. Where the tokenizer puts a beginning of text before plain
    text, every prompt begins with one, whether the template writes it or not.
    `variables` are those that the template gets besides the messages.

    What a message spells like a special token is text, unless the message is `special`; all
    other ids are those of `apply_chat_template`.
    """

    tokenizer: Tokenizer
    template: str | None
    system: tuple[str | None, str | None]
    variables: Variables = field(default_factory=dict)
    own_variables: tuple[Variables, Variables] = ({}, {})
    """The variables that one side alone gets, before and after."""
    names: TokenBytes | None = None  # where they are known already: many take a second

    @property
    def template_hash(self) -> str | None:
        """SHA-256 of the template; None if the pair has none and a plain one is used."""
        return self.template and hashlib.sha256(self.template.encode()).hexdigest()

    def prompts(
        self, messages: Sequence[Message], raw: bool, moment: datetime | None = None
    ) -> PromptIds:
        """The ids of each side; with `raw`, of the last message's text without a template.

        `moment` is the time that the template may write (default: now, in UTC). Raises
        LogitAmpError if the template refuses the messages, UsageError if a raw prompt is empty.
        """
        before, after = self.side_prompts(messages, raw, moment)
        return PromptIds(before.ids, after.ids)

    def side_prompts(
        self, messages: Sequence[Message], raw: bool, moment: datetime | None = None
    ) -> tuple[SidePrompt, SidePrompt]:
        """The same with text and notices. In a raw prompt a special token is what it spells."""
        if raw:
            text = messages[-1].text
            ids = self.begun(self.encoded(text))
            if not ids:
                raise UsageError("The prompt is empty.", "Give at least one token.")
            return (SidePrompt(text, ids),) * 2
        moment = moment or datetime.now(UTC)
        messages, systems = self._asked(messages)
        first, second = self.sides
        before = first._side_prompt(messages, systems[0], moment)
        if systems[0] == systems[1] and not self.has_own_variables:
            return before, before
        return before, second._side_prompt(messages, systems[1], moment)

    @property
    def has_own_variables(self) -> bool:
        """Whether the sides render with different variables."""
        return told_apart(self.own_variables[0]) != told_apart(self.own_variables[1])

    @functools.cached_property
    def sides(self) -> tuple[ChatTemplate, ChatTemplate]:
        """The template as each side renders with it."""
        before, after = (
            replace(self, variables={**self.variables, **own}, own_variables=({}, {}))
            if own
            else self
            for own in self.own_variables
        )
        return before, after

    def said_ranges(
        self, messages: Sequence[Message], moment: datetime
    ) -> list[tuple[Range, ...] | None]:
        """By side, the characters of its prompt that messages say, in order; None if uncertain.

        The rest is the template's. Raises as `prompts` does.
        """
        messages, systems = self._asked(messages)
        sides = zip(self.sides, systems, strict=True)
        return [side._said_ranges(messages, system, moment) for side, system in sides]

    def _said_ranges(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> tuple[Range, ...] | None:
        text = self.rendered(messages, system, moment, opens_reply=True)
        said = self._said(messages, system)
        parts = [
            Part(n, 0, len(message.text))
            for n, message in enumerate(said)
            if message.text and not message.token_ids
        ]
        render = functools.partial(self._render, moment=moment, opens_reply=True)
        found, _ = located(text, said, parts, render) if parts else ([], [])
        replies, altered = self.replies(text, messages, system, moment, opens_reply=True)
        if altered or {part for _, part in found} != {*parts}:
            return None  # the template rewrites one of them
        sampled = [(one.start, one.end) for own in replies.values() for one in own]
        return tuple(sorted([*(at for at, _ in found), *sampled]))

    def own_words(self, messages: Sequence[Message], moment: datetime) -> str:
        """What the template says of its own in `after`'s prompt, before the conversation."""
        messages, systems = self._asked(messages)
        after = self.sides[1]
        return after._own_words(after._said(messages, systems[1]), moment)

    def _asked(
        self, messages: Sequence[Message]
    ) -> tuple[Sequence[Message], tuple[str | None, str | None]]:
        """The messages of a prompt, and the system prompts of the sides.

        An empty one in the messages is not there, and asks the template for none.
        """
        if not (messages and messages[0].role == "system" and not messages[0].text):
            return messages, self.system
        before, after = ("" if system is None else system for system in self.system)
        return messages[1:], (before, after)

    def _side_prompt(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> SidePrompt:
        text = self.rendered(messages, system, moment, opens_reply=True)
        ranges, lost = self.literal_ranges(text, messages, system, moment, opens_reply=True)
        found, altered = self.replies(text, messages, system, moment, opens_reply=True)
        replies, exact = [*chain(*found.values())], not altered
        ids: tuple[int, ...] | None = None
        if ranges or replies:
            try:
                tokenized, unplaced, whole = self.tokenized(text, ranges, replies)
            except LogitAmpError:  # a tokenizer that does not say what its tokens are made of
                lost += [text[start:end] for start, end in ranges]
                exact = exact and not replies
            else:
                ids, lost, exact = tokenized.ids, [*lost, *unplaced], exact and whole
        notices = [taken_for_tokens(lost)] if lost else []
        notices += [] if exact else [ALTERED]
        if system == "" and (own := self._own_words(self._said(messages, system), moment)):
            notices.append(
                "The chat template has a system prompt of its own, which an empty one does not"
                f" remove: {shortened(own)}"
            )
        ids = self.encoded(text) if ids is None else ids
        return SidePrompt(text, self.begun(ids), tuple(notices))

    def replies(
        self,
        text: str,
        messages: Sequence[Message],
        system: str | None,
        moment: datetime,
        *,
        opens_reply: bool = False,
    ) -> tuple[dict[int, list[GivenIds]], set[int]]:
        """The sampled ids of replies in a rendering, by the number of their message.

        Also the messages that the template alters: not all that it writes of them is theirs.
        """
        said = self._said(messages, system)
        sampled = {n: self._sampled(m) for n, m in enumerate(said) if m.token_ids}
        if not sampled:
            return {}, set()
        found, altered = sampled_ids(
            text,
            self._turns(said),
            sampled,
            lambda turns: self._render_turns(turns, moment, opens_reply=opens_reply),
        )
        numbers = {id(message): n for n, message in enumerate(messages)}
        given = {numbers[id(said[n])]: ids for n, ids in found.items()}
        return given, {numbers[id(said[n])] for n in altered}

    def _sampled(self, message: Message) -> SampledTurn:
        known, key = self._sampled_turns, (message.token_ids, message.thinks)
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = sampled_turn(message, self.template, self.tokenizer, self.token_bytes)
        return known[key]

    @functools.cached_property
    def _sampled_turns(self) -> dict[object, SampledTurn]:
        """The replies of the last prompts: every turn asks for all of them again."""
        return {}

    def _own_words(self, said: Sequence[Message], moment: datetime) -> str:
        """What the template says of its own before the first of the messages."""
        system = said[0].text if said and said[0].role == "system" else None
        render = functools.partial(self._render, moment=moment)
        return own_words(render, self.special_tokens, system) or ""

    @functools.cached_property
    def _keeps_empty_system(self) -> bool:
        """Whether an empty system prompt removes words of the template's own."""
        render = functools.partial(self._render, moment=datetime.now(UTC))
        usual, empty = (own_words(render, self.special_tokens, system) for system in (None, ""))
        return usual is not None and empty is not None and len(empty) < len(usual)

    def literal_ranges(
        self,
        text: str,
        messages: Sequence[Message],
        system: str | None,
        moment: datetime,
        *,
        opens_reply: bool = False,
    ) -> tuple[list[Range], list[str]]:
        """Where in a rendering messages spell special tokens that they do not mean.

        Also the spellings whose place is unknown, as the template rewrites their message.
        """
        said = self._said(messages, system)
        parts = [
            Part(n, *spelled.span())
            for n, message in enumerate(said)
            for spelled in self.special_tokens.spelled_in(message)
        ]
        if not parts:
            return [], []
        ranges, lost = locate(
            text, said, parts, lambda marked: self._render(marked, moment, opens_reply=opens_reply)
        )
        return ranges, [said[part.message].text[part.start : part.end] for part in lost]

    def tokenized(
        self, text: str, ranges: Sequence[Range], replies: Sequence[GivenIds] = ()
    ) -> tuple[Tokenized, list[str], bool]:
        """The tokens of a text whose special tokens in `ranges` are plain text.

        Also the spellings that have no plain ids, and whether all of `replies` have their place.
        Raises LogitAmpError where the tokenizer does not tell what its tokens are made of.
        """
        found = Tokenized.of(self.tokenizer, self.token_bytes, text)
        if not ranges and not replies:
            return found, [], True
        given, lost = literal(
            self.tokenizer, self.token_bytes, self.special_tokens, text, found, ranges
        )
        wider = widened(self.tokenizer, self.token_bytes, text, found, replies)
        replaced, left = found.with_given([*given, *wider], self.token_bytes, text)
        lost += [text[one.start : one.end] for one in left if one not in wider]
        return replaced, lost, not any(one in wider for one in left)

    @functools.cached_property
    def special_tokens(self) -> SpecialTokens:
        """The tokens that a message does not mean by spelling them."""
        return SpecialTokens.of(self.tokenizer, self.template)

    @functools.cached_property
    def token_bytes(self) -> TokenBytes:
        """The bytes of each id."""
        return self.names or TokenBytes(self.tokenizer)

    def adds_beginning(self) -> bool:
        """Whether prompts get a beginning of text that the template itself does not write."""
        hello = Message(id="", parent=None, role="user", text="Hello")
        try:
            after, now = self.sides[1], datetime.now(UTC)
            text = after.rendered([hello], self.system[1], now, opens_reply=True)
        except LogitAmpError:
            return False  # it refuses this message, not every one
        ids = self.encoded(text)
        return self.begun(ids) != ids

    @functools.cached_property
    def beginning(self) -> tuple[int, ...]:
        """The ids that the tokenizer puts before plain text; most often one, or none."""
        return beginning_of_text(self.tokenizer)

    def begun(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The ids after a beginning of text, which may be there already."""
        there = ids[: len(self.beginning)] == self.beginning
        return ids if there else self.beginning + ids

    def encoded(self, text: str) -> tuple[int, ...]:
        """The ids of a text alone: what the tokenizer adds may be in it already, or end it."""
        return encoded(self.tokenizer, text)

    def rendered(
        self,
        messages: Sequence[Message],
        system: str | None,
        moment: datetime,
        *,
        opens_reply: bool = False,
    ) -> str:
        """The text of a conversation; with `opens_reply`, up to where the model goes on.

        `system` replaces the conversation's own system prompt. Raises LogitAmpError if the
        template refuses the messages.
        """
        return self._render(self._said(messages, system), moment, opens_reply=opens_reply)

    def _render(
        self, messages: Sequence[Message], moment: datetime, *, opens_reply: bool = False
    ) -> str:
        return self._render_turns(self._turns(messages), moment, opens_reply=opens_reply)

    def _render_turns(
        self, turns: Sequence[Turn], moment: datetime, *, opens_reply: bool = False
    ) -> str:
        template, variables = self._inputs(moment)
        try:
            text = self.tokenizer.apply_chat_template(
                [*turns],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=opens_reply,
                **variables,
            )
        except Exception as error:  # templates raise jinja errors of every kind
            raise LogitAmpError(
                f"The chat template refuses these messages: {error}",
                "Remove the system prompt, or use --raw to prompt without a template.",
            ) from error
        return str(text)

    def generated(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> tuple[tuple[int, int], ...]:
        """The characters [start, end) of `rendered` that the template says the model wrote.

        These are its `{% generation %}` blocks; most templates have none. Only a conversation
        that the template accepts may be given.
        """
        template, variables = self._inputs(moment)
        if not GENERATION.search(template):
            return ()
        from transformers.utils.chat_template_utils import render_jinja_template

        # apply_chat_template would give tokens, and mark all that follow where a block ends in
        # a character without a token.
        _, blocks = render_jinja_template(
            [self._turns(self._said(messages, system))],
            chat_template=template,
            return_assistant_tokens_mask=True,
            **{**self.tokenizer.special_tokens_map, **variables},
        )
        return tuple((start, end) for start, end in blocks[0])

    def _said(self, messages: Sequence[Message], system: str | None) -> list[Message]:
        """The messages, with `system` in the place of their own system prompt; "" is none."""
        if system is None:
            return [*messages]
        turns = [m for m in messages if m.role != "system"]
        if not system and not self._keeps_empty_system:
            return turns
        return [Message(id="", parent=None, role="system", text=system), *turns]

    def _turns(self, messages: Sequence[Message]) -> list[Turn]:
        """The messages as the template takes them."""
        return [
            self._sampled(m).turn if m.token_ids else {"role": m.role, "content": m.text}
            for m in messages
        ]

    def _inputs(self, moment: datetime) -> tuple[str, dict[str, Any]]:
        """What a rendering takes besides the turns: the template and its variables."""
        return rendered_at(moment, self.template or PLAIN_TEMPLATE, self.variables)
