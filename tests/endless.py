"""The bundled pair as a profile whose replies go on to their limit, to measure speed with."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.config.profile import load_profile


def endless(folder: Path, tokens: int, device: str = "cpu") -> Path:
    """Its file in `folder`.

    So hot that the seed alone decides what is said, whatever the weights are.
    """
    demo = load_profile("demo")
    path = folder / "endless.yaml"
    path.write_text(
        f"before: {{model: {demo.before.model}}}\n"
        f"after: {{model: {demo.after.model}}}\n"
        f"dtype: {demo.dtype}\ndevice: {device}\n"
        "sampling: {temperature: 1.0e+6, top_p: 1, plausibility: 0,"
        f" max_new_tokens: {tokens}, seed: 2}}\n"
    )
    return path
