"""What a LoRA adapter says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable

from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.events import Loading
from logit_amp_chat.core.models.hub import adapter_source


def adapter_base(adapter: str, report: Callable[[Loading], None] = lambda _: None) -> str:
    """The model an adapter was trained on, from its own configuration.

    Raises PairError where there is no such adapter, ProfileError where it does
    not say.
    """
    config = adapter_source(adapter, report).folder / "adapter_config.json"
    try:
        model = json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, LookupError, TypeError):
        model = None
    if not isinstance(model, str) or not model:
        raise ProfileError(
            f"The adapter {adapter} does not say which model it belongs to.",
            "Name the model with --before.",
        )
    return model
