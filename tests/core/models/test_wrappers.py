"""Models of images and text, given text alone, answer as their own class does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForImageTextToText

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Message, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import tiny_tokenizer

TEXT: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.15,
    "bos_token_id": 0,
    "eos_token_id": 4,
}
# three axes of position, for time, height and width
AXES = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
EYES = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
PIXTRAL = {
    "model_type": "pixtral",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def wrapper(kind: str) -> Any:
    """The configuration of a tiny model of images and text."""
    match kind:
        case "qwen2_vl":
            return transformers.Qwen2VLConfig(
                text_config=TEXT | {"rope_parameters": AXES},
                vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 64, "num_heads": 2},
                tie_word_embeddings=False,
            )
        case "qwen2_5_vl":
            return transformers.Qwen2_5_VLConfig(
                text_config=TEXT | {"rope_parameters": AXES},
                vision_config=EYES | {"out_hidden_size": 64},
                tie_word_embeddings=False,
            )
        case "qwen3_vl":
            return transformers.Qwen3VLConfig(
                text_config=TEXT | {"rope_parameters": AXES, "head_dim": 16},
                vision_config=EYES | {"out_hidden_size": 64, "deepstack_visual_indexes": [0]},
                tie_word_embeddings=True,
            )
        case "mistral3":
            return transformers.Mistral3Config(
                text_config=TEXT | {"model_type": "mistral"}, vision_config=PIXTRAL
            )
    raise ValueError(kind)


def save(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def wrapped(folder: Path, kind: str, seed: int) -> Path:
    torch.manual_seed(seed)
    return save(folder, AutoModelForImageTextToText.from_config(wrapper(kind)))


def between(profile: Profile, before: Path, after: Path) -> Profile:
    sides = {
        name: getattr(profile, name).model_copy(update={"model": str(folder)})
        for name, folder in (("before", before), ("after", after))
    }
    return profile.model_copy(update=sides)


def decoded(profile: Profile) -> tuple[list[int], list[Step]]:
    """The prompt's ids, and the steps of a reply that is decoded token by token."""
    request = Request(
        messages=(Message(id="m", parent=None, role="user", text="Otters eat"),),
        lanes=(Lane(reply="r", name="", alpha=0.5),),
        sampling=Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=12),
    )
    events = list(LocalEngine.open(profile).generate(request))
    [reply] = [e for e in events if isinstance(e, Reply)]
    return list(reply.prompt.after), [e for e in events if isinstance(e, Step)]


@torch.inference_mode()
def expected(auto: Any, folder: Path, prompt: list[int], tokens: list[int]) -> list[float]:
    """Log-probabilities of `tokens` from one whole forward of transformers, without a cache."""
    model = auto.from_pretrained(folder, dtype=torch.float32).eval()
    logits = model(input_ids=torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0]
    rows = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return [float(rows[n, token]) for n, token in enumerate(tokens)]


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "mistral3"])
def test_a_wrapper_answers_as_its_own_class_does(
    kind: str, tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    before, after = (wrapped(tmp_path / str(seed), kind, seed) for seed in (1, 2))
    prompt, steps = decoded(between(tiny_pair(), before, after))
    tokens = [step.token for step in steps]
    for side, folder in (("before", before), ("after", after)):
        found = [getattr(step.logp, side) for step in steps]
        oracle = expected(AutoModelForImageTextToText, folder, prompt, tokens)
        assert found == pytest.approx(oracle, abs=1e-4)


def test_before_may_be_the_text_model_that_the_wrapper_grew_from(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    base = transformers.MistralForCausalLM(transformers.MistralConfig(**TEXT))
    before = save(tmp_path / "before", base)
    after = wrapped(tmp_path / "after", "mistral3", 2)
    prompt, steps = decoded(between(tiny_pair(), before, after))
    tokens = [step.token for step in steps]
    oracle = expected(transformers.AutoModelForCausalLM, before, prompt, tokens)
    assert [step.logp.before for step in steps] == pytest.approx(oracle, abs=1e-4)
    oracle = expected(AutoModelForImageTextToText, after, prompt, tokens)
    assert [step.logp.after for step in steps] == pytest.approx(oracle, abs=1e-4)


def test_head_sizes_may_differ_by_layer(tiny_pair: Callable[..., Profile], tmp_path: Path) -> None:
    sizes = {"head_dim": 16, "global_head_dim": 32, "sliding_window": 8}
    inputs = {"vocab_size_per_layer_input": 512, "hidden_size_per_layer_input": 16}
    config = transformers.Gemma4TextConfig(**TEXT, **sizes, **inputs)
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(config)
        folders.append(save(tmp_path / str(seed), model))
    prompt, steps = decoded(between(tiny_pair(), *folders))
    tokens = [step.token for step in steps]
    oracle = expected(transformers.AutoModelForCausalLM, folders[1], prompt, tokens)
    assert [step.logp.after for step in steps] == pytest.approx(oracle, abs=1e-4)


def test_another_model_of_images_is_refused_by_its_kind(
    tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    transformers.PaliGemmaConfig().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(PairError, match="a model of the kind paligemma"):
        load_pair(between(tiny_pair(), tmp_path, tmp_path))
