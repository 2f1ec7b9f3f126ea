"""Renders messages to the prompt token ids of each side."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
            ids = self._begun(self._encoded(messages[-1].text))
            if not ids:
                raise UsageError("The prompt is empty.", "Give at least one token.")
            return PromptIds(ids, ids)
        moment = moment or datetime.now(UTC)
        before = self._begun(self._render(messages, self.system[0], moment))
        if self.system[0] == self.system[1]:
            return PromptIds(before, before)
        return PromptIds(before, self._begun(self._render(messages, self.system[1], moment)))

    def adds_beginning(self) -> bool:
        """Whether prompts get a beginning of text that the template itself does not write."""
        hello = Message(id="", parent=None, role="user", text="Hello")
        try:
            ids = self._render([hello], self.system[1], datetime.now(UTC))
        except LogitAmpError:
            return False  # it refuses this message, not every one
        return self._begun(ids) != ids

    @functools.cached_property
    def _beginning(self) -> tuple[int, ...]:
        return beginning_of_text(self.tokenizer)

    def _begun(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        there = ids[: len(self._beginning)] == self._beginning
        return ids if there else self._beginning + ids

    def _encoded(self, text: str) -> tuple[int, ...]:
        """The ids of a text alone: what the tokenizer adds may be in it already, or end it."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(
        self, messages: Sequence[Message], system: str | None, moment: datetime
    ) -> tuple[int, ...]:
        turns = [{"role": m.role, "content": m.text} for m in messages]
        if system is not None:
            turns = [t for t in turns if t["role"] != "system"]
            turns.insert(0, {"role": "system", "content": system})
        template, clock = self.template or PLAIN_TEMPLATE, {}
        if "strftime_now" in template:
            template, clock = STRFTIME_NOW + template, {"strftime_codes": strftime_codes(moment)}
        try:
            text = self.tokenizer.apply_chat_template(
                turns,
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
                **clock,
            )
        except Exception as error:  # templates raise jinja errors of every kind
            raise LogitAmpError(
                f"The chat template refuses these messages: {error}",
                "Remove the system prompt, or use --raw to prompt without a template.",
            ) from error
        return self._encoded(text)
