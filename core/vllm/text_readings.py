"""Texts that vLLM reads as prompts: measured pass by pass, where their logits are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from logit_amp_chat.core.decoding.given_tokens import Measure, Measures, Rows, measured_blocks
from logit_amp_chat.core.decoding.reply_measure import ReplyMeasures, ReplySettings
from logit_amp_chat.core.decoding.text_measure import FEWEST_ROWS, TextMeasure, TextSettings
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.vllm.lane_rows import SharedIds

# Bytes of one side's fp32 logits that are computed at once, in memory that vLLM leaves free.
LOGITS_BYTES = 1 << 26

# Of the next places of a text: how many they are, and the rows of those that are scored.
Block = tuple[int, Rows]


@dataclass
class Reading:
    """A text that is being read: `targets` follow the last of its `length` ids, one for each."""

    measure: Measure
    length: int
    targets: Sequence[int]
    done: int = 0
    """How many of the targets are measured."""
    blocks: list[Block] = field(default_factory=list)

    @property
    def next_place(self) -> int:
        """The id after which the next target stands."""
        return self.length - len(self.targets) + self.done


class TextReadings:
    """Measures the texts that are read, from the logits of each pass over them."""

    def __init__(self, shared: SharedIds) -> None:
        self._shared = shared
        self._settings: dict[str, TextSettings] = {}
        self._measures: dict[str, Measures] = {}
        self._readings: dict[str, Reading] = {}

    def begin(self, request: str, kind: str, settings: Mapping[str, Any]) -> None:
        """Measure the texts of a `request` by `settings`: those of a text, or of replies."""
        if kind == "text":
            asked = self._settings[request] = TextSettings(**settings)
            self._measures[request] = TextMeasure(self._shared, asked)
        else:
            chosen = {
                **settings,
                "sampling": Sampling.model_validate(settings["sampling"]),
                "breakers": frozenset(settings["breakers"]),
            }
            self._measures[request] = ReplyMeasures(self._shared, ReplySettings(**chosen))

    def set_threshold(self, request: str, threshold: float | None) -> None:
        """From now on, candidates are looked for where the log-ratio reaches it."""
        if asked := self._settings.get(request):
            asked.threshold = threshold

    def take(
        self,
        text: Mapping[str, Any],
        ids: Sequence[int],
        places: range,
        logits_of: Callable[[range], tuple[Tensor, Tensor] | None],
    ) -> None:
        """Measure what of a `text` was read in a pass: those `places` of its `ids`.

        `text` is what `PairEngine.read` says of it. `logits_of` computes both sides' logits
        (n, ≥ V) after some of the places; None on a rank of tensor parallelism that has none. A
        place that is read again, as after a request was set back, is measured once.
        """
        name, targets = str(text["name"]), text["targets"]
        if name not in self._readings:
            measure = self._measures[text["request"]].of(ids[: len(ids) - len(targets) + 1])
            self._readings[name] = Reading(measure, len(ids), targets)
        reading = self._readings[name]
        at_once = max(FEWEST_ROWS, LOGITS_BYTES // (4 * self._shared.size))
        while (begin := reading.next_place) in places:
            block = range(begin, min(places.stop, begin + at_once))
            here = reading.targets[reading.done : reading.done + len(block)]
            reading.done += len(block)
            if (logits := logits_of(block)) is not None:
                reading.blocks += measured_blocks(reading.measure, logits, here)

    def found(self) -> dict[str, list[Block]]:
        """What was measured since this was last asked; texts are let go at their end."""
        found = {name: one.blocks for name, one in self._readings.items() if one.blocks}
        for name, reading in [*self._readings.items()]:
            reading.blocks = []
            if reading.done == len(reading.targets):
                del self._readings[name]
        return found

    def end(self, request: str, names: Sequence[str]) -> bytes:
        """Let a request go, with the texts `names` of it that were not read to the end.

        Returns the sums of a text, (2, V) in fp64.
        """
        for name in names:
            self._readings.pop(name, None)
        self._settings.pop(request, None)
        measures = self._measures.pop(request, None)
        if not isinstance(measures, TextMeasure):
            return b""
        sums: bytes = measures.sums.cpu().numpy().tobytes()
        return sums


class TextWorker:
    """Methods that are added to vLLM's workers, for texts that are read."""

    model_runner: Any

    def text_start(self, shared: SharedIds) -> None:
        """Measure the prompts of requests that are texts, in place of vLLM's log-probabilities."""
        runner = self.model_runner
        runner.texts = TextReadings(shared)
        if self.text_works():
            runner._get_prompt_logprobs_dict = self._text_pass

    def text_works(self) -> bool:
        """Whether the model runner has the method that is replaced; Model Runner V2 has not."""
        return hasattr(self.model_runner, "_get_prompt_logprobs_dict")

    def text_begin(self, request: str, kind: str, settings: Mapping[str, Any]) -> None:
        """See `TextReadings.begin`."""
        self.model_runner.texts.begin(request, kind, settings)

    def text_threshold(self, request: str, threshold: float | None) -> None:
        """See `TextReadings.set_threshold`."""
        self.model_runner.texts.set_threshold(request, threshold)

    def text_found(self) -> dict[str, list[Block]]:
        """See `TextReadings.found`."""
        found: dict[str, list[Block]] = self.model_runner.texts.found()
        return found

    def text_end(self, request: str, names: Sequence[str]) -> bytes:
        """See `TextReadings.end`."""
        sums: bytes = self.model_runner.texts.end(request, names)
        return sums

    def _text_pass(self, hidden: Tensor, scheduled: Mapping[str, int]) -> dict[str, None]:
        """What vLLM calls after every pass, with the hidden states of all ids that were read."""
        runner = self.model_runner
        for name, count in scheduled.items():
            request = runner.requests[name]
            text = (request.sampling_params.extra_args or {}).get("text")
            if text is None:
                continue
            row = runner.input_batch.req_id_to_index[name]
            begin, first = request.num_computed_tokens, int(runner.query_start_loc.np[row])

            def logits_of(
                places: range, offset: int = first - begin, row: int = row
            ) -> tuple[Tensor, Tensor] | None:
                states = hidden[places.start + offset : places.stop + offset]
                self._use_adapter(row, len(places))
                logits = runner.model.compute_logits(states)
                return None if logits is None else (logits.before, logits)

            ids = request.prompt_token_ids
            runner.texts.take(text, ids, range(begin, begin + count), logits_of)
        return {}

    def _use_adapter(self, row: int, places: int) -> None:
        """Compute logits of this many places with the adapter of one request.

        vLLM has set a row for every token that is sampled in this step, and sets them anew in the
        next one.
        """
        runner = self.model_runner
        if runner.lora_config:
            batch = runner.input_batch
            adapters = (int(batch.request_lora_mapping[row]),) * places
            runner._set_active_loras(
                adapters, adapters, set(batch.lora_id_to_lora_request.values())
            )
