"""Whether an adapter was trained with the vocabulary of its base."""

from __future__ import annotations

from safetensors import SafetensorError, safe_open

from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.hub import Source


def check_vocabulary(adapter: Source, rows: int, base: str) -> None:
    """Raise PairError if an adapter brings embeddings for more or fewer ids than its base's `rows`.

    Whoever trains with added tokens resizes the base first, and PEFT saves the resized
    embeddings with the adapter.
    """
    found = _embedding_rows(adapter)
    if found is None or found == rows:
        return
    kind = "added tokens" if found > rows else "fewer tokens"
    raise PairError(
        f"The adapter {adapter.name} was trained with {kind}: its embeddings have {found:,} rows,"
        f" those of {base} have {rows:,}.",
        f"Merge it: resize_token_embeddings({found}) on the base, PeftModel.from_pretrained,"
        " merge_and_unload, then save model and tokenizer with save_pretrained; open that folder"
        " with --after.",
    )


def _embedding_rows(adapter: Source) -> int | None:
    """Rows of the embeddings that come with an adapter; None if none do."""
    from peft.utils.constants import EMBEDDING_LAYER_NAMES

    endings = tuple(f"{layer}.weight" for layer in EMBEDDING_LAYER_NAMES)
    try:
        path = adapter.folder / "adapter_model.safetensors"
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if name.endswith(endings):
                    return int(file.get_slice(name).get_shape()[0])
    except (OSError, SafetensorError):  # damaged: the loader says so
        pass
    return None
