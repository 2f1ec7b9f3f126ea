"""What the guard finds in models whose work may not be cut up, and that replies are right then.

The reference is transformers alone: one forward pass over a whole text, without a cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.analysis import cache_checks
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.decoding import cache_guard
from logit_amp_chat.core.decoding.cache_use import CacheUse
from logit_amp_chat.core.decoding.cuda_graphs.static_cache import StaticKVLayer
from logit_amp_chat.core.decoding.decoder import Decoder
from logit_amp_chat.core.decoding.prefix_cache import PrefixCache
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.models.side import LoadedSide
from logit_amp_chat.core.transcripts.jsonl import from_line, to_line
from tests.compatibility.random_models import save_random_pair
from tests.compatibility.reference import differences, whole_pass
from tests.models import save_adapter, save_pair, tiny_tokenizer

RIGHT = 1e-4
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A pair of random models of an architecture, made once."""

    @functools.cache
    def made(kind: str) -> Path:
        place = tmp_path_factory.mktemp(kind)
        save_random_pair(kind, place)
        return place

    return made


def profile(folder: Path, **changed: Any) -> Profile:
    sides = {side: {"model": str(folder / side)} for side in ("before", "after")}
    usual = {**sides, "name": "t", "dtype": "float32", "device": "cpu"}
    return Profile.model_validate({**usual, **changed})


def difference(engine: LocalEngine, folder: Path) -> float:
    """Of a chat's steps from transformers' whole passes, in nats."""
    models = [
        AutoModelForCausalLM.from_pretrained(folder / side, dtype=torch.float32).eval()
        for side in ("before", "after")
    ]
    return max(differences(engine, *(whole_pass(m, len(tiny_tokenizer())) for m in models)))


def levels(engine: LocalEngine) -> dict[str, str]:
    return {name: check.use for name, check in (engine.opened.session.caches or {}).items()}


ALL = {"before": "turns", "after": "turns"}


@pytest.mark.parametrize(
    "kind", ["llama", "phi3", "phimoe", "bamba", "lfm2", "qwen3_next", "gemma4_text", "mixtral"]
)
def test_replies_are_those_of_whole_passes_and_lose_nothing(folder: Folder, kind: str) -> None:
    """Positions that switch, default positions, and convolutional or recurrent states."""
    engine = LocalEngine.open(profile(folder(kind)))
    assert levels(engine) == ALL
    assert not [said for said in engine.opened.notices if "whole forward passes" in said]
    assert difference(engine, folder(kind)) < RIGHT


@pytest.mark.parametrize("kind", ["recurrent_gemma", "mamba2", "rwkv", "minimax"])
def test_a_model_that_does_not_suit_our_caches_runs_without_and_says_so(
    folder: Folder, kind: str
) -> None:
    """States in the module; a forward that takes no cache of ours; a cache of the model's own."""
    engine = LocalEngine.open(profile(folder(kind)))
    assert levels(engine) == {"before": "none", "after": "none"}
    assert "every token reads the whole conversation again" in engine.opened.notices[-1]
    assert difference(engine, folder(kind)) < RIGHT


@pytest.mark.parametrize("kind", ["minimax", "recurrent_gemma"])
def test_it_opens_in_low_precision_too(folder: Folder, kind: str) -> None:
    engine = LocalEngine.open(profile(folder(kind), dtype="bfloat16"))
    assert levels(engine)["after"] == "none"


def test_unchecked_caches_of_such_a_model_are_wrong(folder: Folder) -> None:
    """The guard is what keeps it right."""
    engine = LocalEngine.open(profile(folder("recurrent_gemma"), trust_caches=True))
    assert engine.opened.session.caches is None
    assert difference(engine, folder("recurrent_gemma")) > 100 * RIGHT


def test_a_model_that_takes_no_cache_gets_none_unchecked_either(folder: Folder) -> None:
    engine = LocalEngine.open(profile(folder("mamba2"), trust_caches=True))
    assert difference(engine, folder("mamba2")) < RIGHT


def test_states_from_below_the_switch_of_positions_are_wrong_above_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadedSide, "rope_switch", None)
    engine = LocalEngine.open(profile(folder("phi3"), trust_caches=True))
    assert difference(engine, folder("phi3")) > 100 * RIGHT


def test_a_model_that_is_not_told_positions_counts_from_0_in_every_pass(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadedSide, "counts_from_zero", lambda self: False)
    engine = LocalEngine.open(profile(folder("bamba"), trust_caches=True))
    assert difference(engine, folder("bamba")) > 100 * RIGHT


class Forgetful(LoadedSide):
    """Wrong at one thing, as some architecture may be."""

    def __init__(self, model: Any, wrong: str) -> None:
        super().__init__(model)
        object.__setattr__(self, "wrong", wrong)

    def logits(
        self,
        ids: torch.Tensor,
        cache: Any,
        last: int,
        start: int | torch.Tensor = 0,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        logits = super().logits(ids, cache, last, start, mask)
        wrong = {
            "cut": cache is not None and getattr(cache, "was_cut", False),
            "chunks": cache is not None and start > 0 and ids.shape[1] > 1,
            "lanes": len(ids) > 1,
            "steps": cache is not None and start > 0,
        }[self.wrong]  # type: ignore[attr-defined]
        return logits + torch.linspace(0, 1, logits.shape[-1]) if wrong else logits


@pytest.mark.parametrize(
    ("wrong", "use"),
    [
        ("cut", CacheUse.CHUNKS),
        ("chunks", CacheUse.LANES),
        ("lanes", CacheUse.ONE_LANE),
        ("steps", CacheUse.NONE),
    ],
)
def test_what_is_wrong_is_given_up_and_nothing_else(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, wrong: str, use: CacheUse
) -> None:
    def cut(self: PrefixCache, *of: Any) -> Any:
        prefix = real(self, *of)
        setattr(prefix.cache, "was_cut", True)  # noqa: B010
        return prefix

    real = PrefixCache._cut
    monkeypatch.setattr(PrefixCache, "_cut", cut)
    pair = load_pair(profile(folder("llama")))
    pair = replace(pair, before=Forgetful(pair.before.model, wrong))
    checks = cache_guard.check_caches(pair)
    assert (checks["before"].use, checks["after"].use) == (use.name.lower(), "turns")
    assert checks["before"].kl < checks["before"].limit
    (said,) = cache_checks.notices(checks)
    assert said.startswith("With all caches in use, before would not give the numbers of whole")


@pytest.mark.parametrize("kind", ["llama", "phi3", "gemma3_text"])
def test_captured_steps_are_those_of_whole_passes_too(folder: Folder, kind: str) -> None:
    """Also where a reply passes the length at which positions switch."""
    chosen = profile(folder(kind))
    pair = load_pair(chosen)
    decoder = Decoder(pair, cuda_graphs=True)
    check = cache_guard.check_captured_steps(decoder)
    assert check is not None
    assert check.kl < check.limit
    assert difference(LocalEngine(chosen, pair, decoder=decoder), folder(kind)) < RIGHT


def test_captured_steps_that_are_wrong_are_given_up(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misplaced(self: StaticKVLayer, keys: Any, values: Any, *_: Any, **__: Any) -> Any:
        return self.keys, self.values  # and the token is forgotten

    monkeypatch.setattr(StaticKVLayer, "update", misplaced)
    decoder = Decoder(load_pair(profile(folder("llama"))), cuda_graphs=True)
    check = cache_guard.check_captured_steps(decoder)
    assert check is not None
    assert (check.use, decoder.graph_cache) == ("none", None)
    (said,) = cache_checks.notices({"captured": check})
    assert said.startswith("With all caches in use, captured steps would not give")


def test_both_sides_of_an_adapter_are_checked_in_one_pass(tmp_path: Path) -> None:
    base, _ = save_pair(tmp_path)
    adapter = save_adapter(base, tmp_path / "adapter", seed=1)
    after = {"model": str(base), "adapter": str(adapter)}
    engine = LocalEngine.open(profile(tmp_path, before={"model": str(base)}, after=after))
    assert levels(engine) == {**ALL, "together": "turns"}


def test_sides_of_one_model_that_takes_no_cache_say_so_once(tmp_path: Path) -> None:
    base = tmp_path / "before"
    save_random_pair("mamba2", tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(r=4, target_modules=["in_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    after = {"model": str(base), "adapter": str(tmp_path / "adapter")}
    engine = LocalEngine.open(profile(tmp_path, before={"model": str(base)}, after=after))
    assert levels(engine) == {"before": "none", "after": "none"}
    assert len([said for said in engine.opened.notices if "all caches in use" in said]) == 1


def test_lengths_that_are_too_expensive_are_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_guard, "AFFORDABLE", {"cpu": 0.0})
    engine = LocalEngine.open(profile(folder("phi3")))
    assert engine.opened.session.caches is not None
    assert engine.opened.session.caches["after"].unchecked == (32,)
    assert "beyond 32 tokens" in engine.opened.notices[-1]


def test_a_model_that_looks_at_later_tokens_is_refused(folder: Folder) -> None:
    with pytest.raises(PairError, match="even whole forward passes over one text do not agree"):
        LocalEngine.open(profile(folder("cpmant")))


def test_a_model_that_cannot_run_is_refused_with_what_it_says(folder: Folder) -> None:
    with pytest.raises(PairError, match="cannot be run here: ValueError: Input language unknown"):
        LocalEngine.open(profile(folder("xmod")))


def test_the_checks_are_part_of_the_transcript(folder: Folder) -> None:
    session = LocalEngine.open(profile(folder("llama"))).opened.session
    assert from_line(to_line(session)) == session
