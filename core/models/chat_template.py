"""Renders messages to the prompt token ids of each side."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.vocabulary import Tokenizer, beginning_of_text
from logit_amp_chat.core.records import Message, PromptIds

# For pairs that ship no chat template (GPT-2 and other plain base models).
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

# A template's strftime_now reads transformers' clock, and nothing callable can be passed in its
# place: transformers keeps Hub templates away from our objects. This one formats a given moment.
# The newline at its end is trimmed, so that the template still begins a line.
STRFTIME_NOW = (
    "{% macro strftime_now(format) %}{% set ns = namespace(text=format) %}"
    "{% for code, value in strftime_codes %}"
    "{% set ns.text = ns.text.replace(code, value) %}"
    "{% endfor %}{{ ns.text }}{% endmacro %}\n"
)
# %% comes first, as %%d is no day, and becomes a % once all others are replaced.
PERCENT = "\0"
CODES = tuple(f"%{c}" for c in "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZf")
UNPADDED = tuple(f"%-{c}" for c in "deHIjklmMSUVWy")

GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


def strftime_codes(moment: datetime) -> list[tuple[str, str]]:
    """Every code of strftime with its value at `moment`, in the order to replace them."""
    values = [(code, moment.strftime(code)) for code in (*CODES, *UNPADDED)]
    return [("%%", PERCENT), *values, (PERCENT, "%")]


@dataclass(frozen=True)
class ChatTemplate:
    """Renders a conversation for both sides.

    Both sides get the same template (`after`'s if it has one), so that they
    differ by training alone. A side's own system prompt replaces the
    conversation's. Where the tokenizer puts a beginning of text before plain
    text, every prompt begins with one, whether the template writes it or not.
    """

    tokenizer: Tokenizer
    template: str | None
    system: tuple[str | None, str | None]

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
        if raw:
            ids = self.begun(self.encoded(messages[-1].text))
            if not ids:
                raise UsageError("The prompt is empty.", "Give at least one token.")
            return PromptIds(ids, ids)
        moment = moment or datetime.now(UTC)
        before = self.begun(self._ids(messages, self.system[0], moment))
        if self.system[0] == self.system[1]:
            return PromptIds(before, before)
        return PromptIds(before, self.begun(self._ids(messages, self.system[1], moment)))

    def adds_beginning(self) -> bool:
        """Whether prompts get a beginning of text that the template itself does not write."""
        hello = Message(id="", parent=None, role="user", text="Hello")
        try:
            ids = self._ids([hello], self.system[1], datetime.now(UTC))
        except LogitAmpError:
            return False  # it refuses this message, not every one
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
        # Not verbose: it would warn of texts that are longer than the model's context.
        encoded = self.tokenizer(text, add_special_tokens=False, verbose=False)
        return tuple(encoded["input_ids"])

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
        turns, template, clock = self._inputs(messages, system, moment)
        try:
            text = self.tokenizer.apply_chat_template(
                turns,
                chat_template=template,
                tokenize=False,
                add_generation_prompt=opens_reply,
                **clock,
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
        turns, template, clock = self._inputs(messages, system, moment)
        if not GENERATION.search(template):
            return ()
        from transformers.utils.chat_template_utils import render_jinja_template

        # apply_chat_template would give tokens, and mark all that follow where a block ends in
        # a character without a token.
        _, blocks = render_jinja_template(
            [turns],
            chat_template=template,
            return_assistant_tokens_mask=True,
            **{**self.tokenizer.special_tokens_map, **clock},
        )
        return tuple((start, end) for start, end in blocks[0])

    def _ids(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> tuple[int, ...]:
        return self.encoded(self.rendered(messages, system, moment, opens_reply=True))

    def _inputs(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> tuple[list[dict[str, str]], str, dict[str, Any]]:
        """What a rendering takes: the turns, the template and its clock."""
        turns = [{"role": m.role, "content": m.text} for m in messages]
        if system is not None:
            turns = [t for t in turns if t["role"] != "system"]
            turns.insert(0, {"role": "system", "content": system})
        template = self.template or PLAIN_TEMPLATE
        if "strftime_now" not in template:
            return turns, template, {}
        return turns, STRFTIME_NOW + template, {"strftime_codes": strftime_codes(moment)}
