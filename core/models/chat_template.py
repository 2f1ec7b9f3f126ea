"""Renders messages to the prompt token ids of each side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.models.vocabulary import Tokenizer
from logit_amp_chat.core.records import Message, PromptIds

# For pairs that ship no chat template (GPT-2 and other plain base models).
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True)
class ChatTemplate:
    """Renders a conversation for both sides.

    Both sides get the same template (`after`'s if it has one), so that they
    differ by training alone. A side's own system prompt replaces the
    conversation's.
    """

    tokenizer: Tokenizer
    template: str | None
    system: tuple[str | None, str | None]

    @property
    def template_hash(self) -> str | None:
        """SHA-256 of the template; None if the pair has none and a plain one is used."""
        return self.template and hashlib.sha256(self.template.encode()).hexdigest()

    def prompts(self, messages: Sequence[Message], raw: bool) -> PromptIds:
        """The ids of each side; with `raw`, of the last message's text without a template.

        Raises LogitAmpError if the template refuses the messages, UsageError if a raw prompt
        is empty.
        """
        if raw:
            ids = tuple(self.tokenizer(messages[-1].text)["input_ids"])
            if not ids:
                raise UsageError("The prompt is empty.", "Give at least one token.")
            return PromptIds(ids, ids)
        before = self._render(messages, self.system[0])
        same = self.system[0] == self.system[1]
        return PromptIds(before, before if same else self._render(messages, self.system[1]))

    def _render(self, messages: Sequence[Message], system: str | None) -> tuple[int, ...]:
        turns = [{"role": m.role, "content": m.text} for m in messages]
        if system is not None:
            turns = [t for t in turns if t["role"] != "system"]
            turns.insert(0, {"role": "system", "content": system})
        try:
            text = self.tokenizer.apply_chat_template(
                turns,
                chat_template=self.template or PLAIN_TEMPLATE,
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as error:  # templates raise jinja errors of every kind
            raise LogitAmpError(
                f"The chat template refuses these messages: {error}",
                "Remove the system prompt, or use --raw to prompt without a template.",
            ) from error
        # The template already adds the BOS token.
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
