"""From messages to the token ids that each side is prompted with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from logit_amp_chat.core.errors import LogitAmpError
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

    Both sides read the same template, that of `after` where it has one: what
    then differs between them is training. A side with a system prompt of its
    own gets that in place of the conversation's.
    """

    tokenizer: Tokenizer
    template: str | None
    system: tuple[str | None, str | None]

    @property
    def template_hash(self) -> str | None:
        """SHA-256 of the template; None where the pair has none and a plain one stands in."""
        return self.template and hashlib.sha256(self.template.encode()).hexdigest()

    def prompts(self, messages: Sequence[Message], raw: bool) -> PromptIds:
        """The ids of each side. With `raw` the last message's text alone, no template.

        Raises LogitAmpError where the template refuses the messages.
        """
        if raw:
            ids = tuple(self.tokenizer(messages[-1].text)["input_ids"])
            if not ids:
                raise LogitAmpError("The prompt is empty.", "Give at least one token.")
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
        # The template has written its own BOS.
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
