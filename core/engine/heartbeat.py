"""A sign of life from inside a model's forward pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch import nn

BEAT_SECONDS = 1.0


class LayerHeartbeat:
    """Calls `beat` from the layers of the models it is attached to, at most once a second.

    Prefilling a chunk may take minutes on a slow machine. The beat must come from
    the thread that computes: a helper thread would keep beating even if the
    computation never returned.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._due = 0.0

    def attach(self, *models: nn.Module) -> None:
        """Beat from every layer of `models`: the members of their module lists."""
        lists = {
            module
            for model in models
            for module in model.modules()
            if isinstance(module, nn.ModuleList)
        }
        for layer in {layer for layers in lists for layer in layers}:
            layer.register_forward_pre_hook(self._on_layer)

    def _on_layer(self, _layer: nn.Module, _arguments: Any) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + BEAT_SECONDS
            self._beat()
