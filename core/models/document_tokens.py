from dataclasses import dataclass

from logit_amp_chat.core.models.vocabulary import beginning_of_text
from logit_amp_chat.core.reading import *
from logit_amp_chat.core.records import PromptIds


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTokens:
    text: str
    prompt: PromptIds
    tokens: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    scored: tuple[bool, ...]
    spans: tuple = ()


def document_tokens(chat, content, moment, names=None, end_of_turn=frozenset()):
    assert isinstance(content, PlainText)
    e = chat.tokenizer(content.text, add_special_tokens=False, return_offsets_mapping=True)
    b = beginning_of_text(chat.tokenizer)
    return DocumentTokens(
        text=content.text,
        prompt=PromptIds(b, b),
        tokens=tuple(e["input_ids"]),
        offsets=tuple(map(tuple, e["offset_mapping"])),
        scored=(True,) * len(e["input_ids"]),
    )
