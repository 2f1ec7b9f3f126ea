"""Prompts whose messages spell special tokens, by transformers and a tokenizer without these."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from logit_amp_chat.core.records import Message

MARK = "\ue123"
ANCHORS = ("", "\n", ".", "a")


class LiteralIds:
    """The ids of `apply_chat_template`, with plain ids for what messages spell.

    `special` are the ids, by spelling, that the tokenizer marks special; `written` those of other
    added tokens that the template writes; of these an assistant means its thinking and tools.
    """

    def __init__(self, reference: Any, template: str) -> None:
        added = {str(t.content): i for i, t in reference.added_tokens_decoder.items()}
        names = {*reference.all_special_tokens}
        names |= {str(t.content) for t in reference.added_tokens_decoder.values() if t.special}
        self.special = {text: added[text] for text in names if text in added}
        self.written = {
            text: i
            for text, i in added.items()
            if text in template and text not in names and not text.isspace()
        }
        self._of_template = [text for text in added if text in self.spellings and text in template]
        self._reference = reference

    @property
    def spellings(self) -> list[str]:
        """Those of all of them."""
        return sorted({*self.special, *self.written})

    def some(self, count: int) -> list[str]:
        """Those that the template writes, and about `count` others."""
        every = max(1, len(self.spellings) // count)
        return sorted({*self.spellings[::every], *self._of_template})

    @functools.cached_property
    def _plain(self) -> Tokenizer:
        rules = json.loads(self._reference.backend_tokenizer.to_str())
        rules["added_tokens"], rules["post_processor"] = [], None
        return Tokenizer.from_str(json.dumps(rules))

    def plain(self, text: str) -> list[int]:
        """The ids of a text in the middle of another."""
        for anchor in ANCHORS:
            before = self._plain.encode(anchor).ids
            ids = self._plain.encode(anchor + text).ids
            rest = list(ids[len(before) :])
            if ids[: len(before)] == before and not self._begins_with_a_space(rest):
                return rest
        raise AssertionError(f"no plain ids of {text}")

    def _begins_with_a_space(self, ids: Sequence[int]) -> bool:
        return str(self._plain.id_to_token(ids[0])).startswith(("▁", "Ġ", " "))

    def ids(self, said: Sequence[Message], template: str) -> list[int]:
        """The prompt; jinja's errors where the template refuses."""
        reference = self._reference
        turns = [{"role": m.role, "content": m.text} for m in said]
        usual = reference.apply_chat_template(
            turns, add_generation_prompt=True, return_dict=False, chat_template=template
        )
        marked = [{"role": m.role, "content": self._marked(m)} for m in said]
        text = reference.apply_chat_template(
            marked, add_generation_prompt=True, tokenize=False, chat_template=template
        )
        longest = sorted(self.spellings, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest)) + f"|{MARK}([0-9]+){MARK}")
        found = [
            (longest[int(m[1])], True) if m[1] else (m[0], False) for m in pattern.finditer(text)
        ]
        result: list[int] = []
        known = {i: name for name, i in (self.special | self.written).items()}
        for token in usual:
            if token not in known:
                result.append(token)
                continue
            name, literal = found.pop(0)
            assert name == known[token]
            result += self.plain(name) if literal else [token]
        assert not found
        return result

    def _marked(self, message: Message) -> str:
        """The text with the number of each spelling that it does not mean in its place."""
        longest = sorted(self.spellings, key=len, reverse=True)
        own = message.role == "assistant"
        meant = [t for t in self.written if own and ("think" in t.lower() or "tool" in t.lower())]
        return re.sub(
            "|".join(map(re.escape, longest)),
            lambda m: m[0] if m[0] in meant else f"{MARK}{longest.index(m[0])}{MARK}",
            message.text,
        )
