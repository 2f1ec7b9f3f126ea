"""Loads the two sides and makes sure that they can be compared."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from logit_amp_chat.core.config.folders import temporary_folder
from logit_amp_chat.core.config.profile import Profile, check_local
from logit_amp_chat.core.config.stages import pair_of
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.adapters import base_notice
from logit_amp_chat.core.models.architecture import check_docstrings
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.described_stages import DescribedStages, describe_stages
from logit_amp_chat.core.models.hub import trained_on
from logit_amp_chat.core.models.layers.packed_linear import pack
from logit_amp_chat.core.models.loader import Origin, Report, choose_device, load_sides
from logit_amp_chat.core.models.precision import precision_notice, quantization_of
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.models.template_end import template_end
from logit_amp_chat.core.models.vocabulary import TokenBytes, Tokenizer
from logit_amp_chat.core.records import SideInfo
from logit_amp_chat.core.turn_ends import TurnEnds

# Below this many parameters a second thread costs more than it saves.
ONE_THREAD_BELOW = 50_000_000


@dataclass(frozen=True)
class Pair:
    """The two sides, loaded, with one shared vocabulary.

    The first `size` columns of both heads are compared; `valid` (size,) is False for
    ids that are never sampled, None if all may be. `context` and `rope_switch` are in tokens; of a
    chain they are the smallest of its stages, as a text is cut into the same windows under all of
    them.
    """

    before: LoadedSide
    after: LoadedSide
    tokenizer: Tokenizer
    template: str | None
    size: int
    valid: Tensor | None
    end_of_turn: frozenset[int]
    context: int
    device: torch.device
    token_bytes: TokenBytes
    infos: tuple[SideInfo, SideInfo]
    notices: tuple[str, ...] = ()
    next_turn: tuple[str, ...] = ()
    """The texts with which the chat template goes on after a reply, where no token ends it."""
    stages: Mapping[str, str | None] = field(default_factory=dict)
    """The stages of the chain that they are from, with their revisions; none for a pair."""
    rope_switch: int | None = None
    """The longest text that is read with the short frequencies of longrope; None if any is."""

    @property
    def turn_ends(self) -> TurnEnds:
        """What ends a reply by itself."""
        return TurnEnds(self.end_of_turn, self.next_turn)

    @functools.cached_property
    def ends(self) -> Tensor:
        """(size,) True for the ids that end a turn, on the device."""
        ends = torch.zeros(self.size, dtype=torch.bool)
        ends[list(self.end_of_turn)] = True
        return ends.to(self.device)

    @property
    def memory(self) -> int:
        """Bytes of weights."""
        models = {id(s.model): s.model for s in (self.before, self.after)}
        return sum(int(m.get_memory_footprint()) for m in models.values())


def load_pair(profile: Profile, report: Report = lambda _: None) -> Pair:
    """Load the two sides of `profile`: of a chain, those of its pair.

    The vocabularies of all stages are compared before any weight is loaded. Two sides that are
    one model with different adapters share one copy of the weights. Raises PairError, and
    UsageError for a profile of another engine.
    """
    check_local(profile)
    check_machine()
    device = choose_device(profile.device)
    described = describe_stages(profile, report)
    names = pair_of(profile)
    sides, notices = load_sides(profile, described.origins, {*names}, device, report)
    return assemble(profile, described, names, (sides[names[0]], sides[names[1]]), notices)


def check_machine() -> None:
    """Check what every loading needs. Raises PairError."""
    if temporary_folder() is None:
        raise PairError(
            "There is no folder for temporary files: neither /tmp nor another can be written.",
            "Set TMPDIR to a folder that can.",
        )
    check_docstrings()


def assemble(
    profile: Profile,
    described: DescribedStages,
    names: tuple[str, str],
    sides: tuple[LoadedSide, LoadedSide],
    notices: Sequence[str],
    device: torch.device | None = None,
) -> Pair:
    """The pair of the stages `names`, which are loaded; `notices` are those of loading.

    It is computed on `device` (None: after's).
    """
    origins = [described.origins[name] for name in names]
    tokenizer, shared, template = described.tokenizer, described.shared, described.template
    device = device or sides[1].device
    ends = described.ends
    chat = ChatTemplate(tokenizer, template, (None, None), profile.template)
    written = template_end(chat)
    reachable = frozenset(i for i in ends | written.ids if 0 <= i < shared.size)
    valid = torch.zeros(shared.size, dtype=torch.bool)
    valid[[*shared.usable, *reachable]] = True
    token_bytes = TokenBytes(tokenizer, *described.tokenizers)
    notices = [*notices, *_adapter_notices(origins), *shared.notices, *described.notices]
    notices += _end_notices(ends, written, reachable, token_bytes)
    if template is None:
        notices.append("This pair has no chat template: a plain one is used (User: … Assistant:).")
    elif chat.adds_beginning():
        notices.append(
            "The chat template leaves out the beginning of text that the tokenizer puts before"
            " plain text: every prompt begins with it."
        )
    if any(len(set(getattr(s.model, "hf_device_map", {}).values())) > 1 for s in sides):
        notices.append("One GPU is too small for this pair: accelerate has spread it.")
    if sides[0] == sides[1]:
        notices.append(_same_model_notice(profile))
    infos = _info(origins[0], sides[0]), _info(origins[1], sides[1])
    if differing := precision_notice(*infos):
        notices.append(differing)
    return Pair(
        before=sides[0],
        after=sides[1],
        tokenizer=tokenizer,
        template=template,
        size=shared.size,
        valid=None if bool(valid.all()) else valid.to(device),
        end_of_turn=reachable,
        context=described.context,
        device=device,
        token_bytes=token_bytes,
        infos=infos,
        notices=tuple(notices),
        next_turn=written.texts,
        stages=described.revisions if profile.stages else {},
        rope_switch=described.rope_switch,
    )


def _adapter_notices(origins: Sequence[Origin]) -> Iterator[str]:
    """What one would not expect of the sides' adapters."""
    found = [base_notice(origin.adapter, origin.source) for origin in origins]
    found += [origin.text.notice for origin in origins]
    yield from dict.fromkeys(notice for notice in found if notice)


def _same_model_notice(profile: Profile) -> str:
    before, after = profile.before, profile.after
    if (before.system, before.template) == (after.system, after.template):
        return "Both sides are the same model: there is nothing to amplify."
    return "Both sides are one model: they differ by what they are prompted with alone."


def _end_notices(
    named: frozenset[int], written: TurnEnds, reachable: frozenset[int], names: TokenBytes
) -> Iterator[str]:
    """What one would not expect of ends that the models name, and that the template writes."""
    for i in sorted((named | written.ids) - reachable):
        yield (
            f"One head has no row for the end of turn {i} {names.describe(i)[0]!r}:"
            " no reply ends with it."
        )
    for i in sorted(written.ids & reachable - named):
        yield (
            f"The chat template ends replies with {names.describe(i)[0]!r}, which neither model"
            " names as an end of turn: here it ends them, too."
        )
    for text in written.texts:
        yield f"No token ends a reply in this chat template: replies end before {text!r}, too."


def find_positions(pair: Pair) -> Pair:
    """The same pair, with sides that are told positions only if they count from 0."""
    before, after = (
        replace(side, positions=side.counts_from_zero()) for side in (pair.before, pair.after)
    )
    return replace(pair, before=before, after=after)


def prepare(pair: Pair) -> None:
    """Speed up a CPU: pack the weights; use one thread for a tiny pair, else all available."""
    if pair.device.type != "cpu":
        return
    models = {id(side.model): side.model for side in (pair.before, pair.after)}.values()
    largest = max(sum(p.numel() for p in model.parameters()) for model in models)
    tiny = largest < ONE_THREAD_BELOW
    torch.set_num_threads(1 if tiny else len(os.sched_getaffinity(0)))
    for model in models:
        pack(model)


def _info(origin: Origin, side: LoadedSide) -> SideInfo:
    gguf = origin.source.weights if origin.source.gguf else None
    return SideInfo(
        model=origin.side.model,
        revision=origin.source.revision,
        adapter=origin.side.adapter,
        adapter_revision=origin.adapter.revision if origin.adapter else None,
        adapter_base=trained_on(origin.adapter) if origin.adapter else None,
        adapter_brings=" and ".join(origin.text.from_adapter) or None,
        dtype=str(side.model.dtype).removeprefix("torch."),
        quantization=quantization_of(origin.config, side.model, gguf),
    )
