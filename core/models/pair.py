"""Loads the two sides and makes sure that they can be compared."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logit_amp_chat.core.config.folders import temporary_folder
from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.adapters import base_notice
from logit_amp_chat.core.models.architecture import check_class, check_docstrings
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.description import read_config
from logit_amp_chat.core.models.gguf_file import check_gguf
from logit_amp_chat.core.models.hub import adapter_source, model_source, trained_on
from logit_amp_chat.core.models.layers.packed_linear import pack
from logit_amp_chat.core.models.loader import Origin, Report, choose_device, load_sides
from logit_amp_chat.core.models.precision import precision_notice, quantization_of
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.models.side_tokenizer import side_tokenizer
from logit_amp_chat.core.models.template_end import template_end
from logit_amp_chat.core.models.vocabulary import (
    SharedVocabulary,
    TokenBytes,
    Tokenizer,
    end_of_turn_ids,
    share,
)
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.records import SideInfo
from logit_amp_chat.core.turn_ends import TurnEnds

# Below this many parameters a second thread costs more than it saves.
ONE_THREAD_BELOW = 50_000_000


@dataclass(frozen=True)
class Pair:
    """The two sides, loaded, with one shared vocabulary.

    The first `size` columns of both heads are compared; `valid` (size,) is False for
    ids that are never sampled, None if all may be. `context` is in tokens.
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
    """Load what `profile` describes.

    The vocabularies are compared before any weight is loaded. Two sides that are
    one model with different adapters share one copy of the weights. Raises
    PairError.
    """
    if temporary_folder() is None:
        raise PairError(
            "There is no folder for temporary files: neither /tmp nor another can be written.",
            "Set TMPDIR to a folder that can.",
        )
    check_docstrings()
    device = choose_device(profile.device)
    origins = [_look(side, profile, report) for side in (profile.before, profile.after)]
    before, after = origins
    tokenizer = after.text.tokenizer or before.text.tokenizer
    if tokenizer is None:
        raise PairError(
            f"Neither {before.side.model} nor {after.side.model} has a tokenizer.",
            "Save one next to the weights of either side.",
        )
    report(Loading(stage="vocabulary", detail="compare", done=0, total=1))
    shared = share(
        before.text.tokenizer or tokenizer,
        tokenizer,
        (before.rows, after.rows),
        (before.text.name, after.text.name),
        # An adapter's tokenizer may call the ids of its model something else: they are the same.
        by_id=profile.vocabulary == "by-id" or before.source.weights == after.source.weights,
    )
    report(Loading(stage="vocabulary", detail="compare", done=1, total=1))
    sides, notices = load_sides(profile, origins, device, report)
    for origin in origins:
        found = (base_notice(origin.adapter, origin.source), origin.text.notice)
        notices += [notice for notice in found if notice and notice not in notices]
    return _assemble(profile, origins, sides, tokenizer, shared, notices)


def _assemble(
    profile: Profile,
    origins: list[Origin],
    sides: list[LoadedSide],
    tokenizer: Tokenizer,
    shared: SharedVocabulary,
    notices: list[str],
) -> Pair:
    device = sides[1].device
    ends = end_of_turn_ids(
        source
        for origin, side in zip(origins, sides, strict=True)
        for source in (side.model.generation_config, origin.config, origin.text.tokenizer)
        if source is not None
    )
    template = origins[1].text.template or origins[0].text.template
    chat = ChatTemplate(tokenizer, template, (None, None), profile.template)
    written = template_end(chat)
    reachable = frozenset(i for i in ends | written.ids if 0 <= i < shared.size)
    valid = torch.zeros(shared.size, dtype=torch.bool)
    valid[[*shared.usable, *reachable]] = True
    token_bytes = TokenBytes(tokenizer, origins[0].text.tokenizer)
    notices = [*notices, *shared.notices]
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
        notices.append("Both sides are the same model: there is nothing to amplify.")
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
        context=min(o.context for o in origins),
        device=device,
        token_bytes=token_bytes,
        infos=infos,
        notices=tuple(notices),
        next_turn=written.texts,
    )


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


def _look(side: Side, profile: Profile, report: Report) -> Origin:
    """Load a side's configuration and tokenizer, but no weights."""
    source = model_source(side, report)
    trust = profile.trust_remote_code
    if source.gguf:
        check_gguf(source.weights, side.model)
    config = read_config(source, trust)
    check_class(config, side.model)
    adapter = adapter_source(side.adapter, report) if side.adapter else None
    return Origin(side, source, adapter, config, side_tokenizer(source, adapter, trust))


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
