"""Which class of transformers opens a model, and what keeps a model from being opened here."""

from __future__ import annotations

import re
import sys
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from logit_amp_chat.core.errors import PairError, first_line

# Image and text models whose class, given text alone, is a causal language model.
READS_TEXT_ALONE = frozenset({"mistral3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"})

# What a quantization needs where transformers names one package of several, or a page.
PACKAGES = {
    "gptq": "gptqmodel optimum",
    "hqq": "hqq",
    "quark": "amd-quark",
    "torchao": "torchao",
}
INSTALL = re.compile(r"pip install (?:-U |--upgrade )?['\"]?([\w.\[\],<>=-]*\w\]?)")


def check_docstrings(optimized: int = sys.flags.optimize) -> None:
    """Raise PairError if this Python throws docstrings away: transformers builds models from them.

    It would blame the model otherwise.
    """
    if optimized >= 2:
        raise PairError(
            "Python runs without docstrings (-OO or PYTHONOPTIMIZE=2), and transformers cannot"
            " build a model without them.",
            "Unset PYTHONOPTIMIZE, and start Python without -OO.",
        )


def auto_class(config: Any) -> Any:
    """The class with `from_pretrained` for a model of this configuration."""
    if config.model_type in READS_TEXT_ALONE:
        return AutoModelForImageTextToText
    return AutoModelForCausalLM


def check_class(config: Any, name: str) -> None:
    """Raise PairError if transformers has no causal language model for this configuration.

    Models with custom code are checked once they are loaded.
    """
    if hasattr(config, "auto_map"):
        return
    known = auto_class(config)._model_mapping
    if type(config) not in known:
        raise PairError(
            f"{name} is a model of the kind {config.model_type}, which transformers does not open"
            " as a causal language model.",
            "Choose a model that writes text, token after token.",
        )


def check_quantization(config: Any, name: str, device: torch.device) -> None:
    """Raise PairError if a model was saved in a quantization that cannot be read here.

    It names the package to install, or says what the machine lacks.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING, AutoHfQuantizer

    settings = settings if isinstance(settings, dict) else settings.to_dict()
    method = str(settings.get("quant_method") or "an unnamed method")
    bitsandbytes = settings.get("load_in_4bit") or settings.get("load_in_8bit")
    if method not in AUTO_QUANTIZER_MAPPING and not bitsandbytes:
        raise PairError(
            f"{name} is quantized with {method}, which transformers cannot read.",
            "Use the model in full precision, with quantization: nf4 if it is too large.",
        )
    try:
        quantizer = AutoHfQuantizer.from_config(settings, pre_quantized=True)
        quantizer.validate_environment(device_map={"": device}, dtype=torch.float32)
    except ImportError as error:
        raise PairError(
            f"{name} is quantized with {method}, and a package for that is missing.",
            _install(method, error),
        ) from error
    except (RuntimeError, ValueError) as error:
        raise PairError(
            f"{name} is quantized with {method}, which cannot be read here: {first_line(error)}",
            "Use a GPU that can, or the model in full precision with quantization: nf4.",
        ) from error


def _install(method: str, error: ImportError) -> str:
    named = INSTALL.search(str(error))
    packages = PACKAGES.get(method) or (named[1] if named else None)
    if packages is None:
        return f"transformers says: {first_line(error)}"
    return f"Install it: pip install {' '.join(map(_quoted, packages.split()))}"


def _quoted(package: str) -> str:
    """A package as a shell takes it: > and [ mean something there."""
    return package if re.fullmatch(r"[\w.-]+", package) else f"'{package}'"
