"""The tokenizer and chat template of a side: its adapter's own, where that brings any."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.description import read_tokenizer
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.vocabulary import Tokenizer

# A tokenizer_config.json alone has no words: it may still have a template.
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "tiktoken.model", "vocab.json")
TEMPLATE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"


@dataclass(frozen=True)
class SideTokenizer:
    """What turns text into a side's ids: a tokenizer, from the folder `name`, and a template.

    `from_adapter` says which of the two its adapter brought: "tokenizer", "template"; `notice`
    why it is not the adapter's tokenizer, where that cannot be read.
    """

    tokenizer: Tokenizer | None
    template: str | None
    name: str
    from_adapter: tuple[str, ...] = ()
    notice: str | None = None


def side_tokenizer(model: Source, adapter: Source | None, trust_remote_code: bool) -> SideTokenizer:
    """A side's tokenizer and template: what its adapter was trained with, else the model's.

    Raises PairError if a tokenizer cannot be read.
    """
    own = read_tokenizer(model, trust_remote_code)
    plain = SideTokenizer(own, template_of(own), model.name)
    if adapter is None:
        return plain
    if template := _saved_template(adapter.folder):
        plain = replace(plain, template=template, from_adapter=("template",))
    if not any((adapter.folder / name).exists() for name in VOCABULARIES):
        return plain
    try:
        tokenizer = read_tokenizer(adapter, trust_remote_code)
    except PairError as error:
        if own is None:
            raise
        return replace(plain, notice=f"{error.message} That of {model.name} is used.")
    if template := template_of(tokenizer):
        return SideTokenizer(tokenizer, template, adapter.name, ("tokenizer", "template"))
    return SideTokenizer(tokenizer, plain.template, adapter.name, ("tokenizer",))


def template_of(tokenizer: Tokenizer | None) -> str | None:
    """A tokenizer's chat template, of several the default one; None if it has none."""
    return _default(getattr(tokenizer, "chat_template", None))


def _saved_template(folder: Path) -> str | None:
    """The template in a folder without a vocabulary."""
    with contextlib.suppress(OSError, ValueError):
        return (folder / TEMPLATE).read_text(encoding="utf-8") or None
    with contextlib.suppress(OSError, ValueError):
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        found = settings.get("chat_template") if isinstance(settings, dict) else None
        if isinstance(found, list):  # as transformers once wrote several
            found = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        return _default(found)
    return None


def _default(template: Any) -> str | None:
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) and template else None
