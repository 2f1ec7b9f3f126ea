"""Loading the two sides: precision, adapters, vocabularies, and everything that can go wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.loader import choose_device
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Lane, Loading, Request
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.sampling import Sampling
from tests.models import TEMPLATE, save_adapter, save_pair, save_side, tiny_model, tiny_tokenizer

MakeProfile = Callable[..., Profile]
QUESTION = Message(id="m0", parent=None, role="user", text="Tell me about otters")


def profile(
    before: Path | str | dict[str, Any], after: Path | str | dict[str, Any], **changed: Any
) -> Profile:
    def side(model: Path | str | dict[str, Any]) -> dict[str, Any]:
        return model if isinstance(model, dict) else {"model": str(model)}

    return Profile.model_validate(
        {
            "name": "t",
            "dtype": "float32",
            "device": "cpu",
            "before": side(before),
            "after": side(after),
            **changed,
        }
    )


def answer(subject: Profile, *alphas: float, count: int = 12) -> list[Step]:
    request = Request(
        messages=(QUESTION,),
        lanes=tuple(Lane(reply=f"r{n}", name="", alpha=a) for n, a in enumerate(alphas)),
        sampling=Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=count),
    )
    return [e for e in LocalEngine.open(subject).generate(request) if isinstance(e, Step)]


def merged(base: Path, adapter: Path, folder: Path) -> Path:
    """The same fine-tune as a full model."""
    from peft import PeftModel

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def assert_same_steps(ours: list[Step], theirs: list[Step]) -> None:
    assert [s.token for s in ours] == [s.token for s in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.logp.before == pytest.approx(b.logp.before, abs=1e-3)
        assert a.logp.after == pytest.approx(b.logp.after, abs=1e-3)
        assert a.kl == pytest.approx(b.kl, abs=1e-3)


class TestAdapters:
    @pytest.fixture(scope="class")
    def base(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return save_side(tmp_path_factory.mktemp("base"))

    def test_a_lora_pair_equals_two_separately_loaded_models(
        self, base: Path, tmp_path: Path
    ) -> None:
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        apart = merged(base, adapter, tmp_path / "merged")
        after = {"model": str(base), "adapter": str(adapter)}
        assert_same_steps(
            answer(profile(base, after), -1, 0, 2), answer(profile(base, apart), -1, 0, 2)
        )

    def test_the_adapter_may_be_on_the_before_side(self, base: Path, tmp_path: Path) -> None:
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        apart = merged(base, adapter, tmp_path / "merged")
        before = {"model": str(base), "adapter": str(adapter)}
        assert_same_steps(answer(profile(before, base), 1.5), answer(profile(apart, base), 1.5))

    def test_both_sides_may_have_one(self, base: Path, tmp_path: Path) -> None:
        folders = [save_adapter(base, tmp_path / f"a{n}", seed=n) for n in (1, 2)]
        apart = [merged(base, f, tmp_path / f"m{n}") for n, f in enumerate(folders)]
        sides = [{"model": str(base), "adapter": str(f)} for f in folders]
        assert_same_steps(answer(profile(*sides), -1, 0, 1), answer(profile(*apart), -1, 0, 1))

    def test_one_model_with_an_adapter_is_held_once(self, base: Path, tmp_path: Path) -> None:
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        pair = load_pair(profile(base, {"model": str(base), "adapter": str(adapter)}))
        alone = tiny_model().get_memory_footprint()
        assert pair.before.model is pair.after.model
        assert pair.memory < 1.2 * alone

    def test_an_adapter_for_another_model_is_refused(self, base: Path, tmp_path: Path) -> None:
        other = save_side(tmp_path / "other", "gpt2")
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        with pytest.raises(PairError, match=r"adapter .* does not fit"):
            load_pair(profile(other, {"model": str(other), "adapter": str(adapter)}))

    def test_an_adapter_with_a_gap_is_refused(self, base: Path, tmp_path: Path) -> None:
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        tensors = load_file(adapter / "adapter_model.safetensors")
        tensors.pop(next(iter(tensors)))
        save_file(tensors, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
        with pytest.raises(PairError, match="1 missing keys"):
            load_pair(profile(base, {"model": str(base), "adapter": str(adapter)}))

    def test_a_pickled_adapter_is_refused(self, base: Path, tmp_path: Path) -> None:
        adapter = save_adapter(base, tmp_path / "adapter", seed=1)
        (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
        with pytest.raises(PairError, match=r"no adapter_model\.safetensors"):
            load_pair(profile(base, {"model": str(base), "adapter": str(adapter)}))


def test_loading_is_counted_in_bytes(tiny_pair: MakeProfile) -> None:
    subject, seen = tiny_pair(), list[Loading]()
    load_pair(subject, seen.append)
    for name, side in (("before", subject.before), ("after", subject.after)):
        counted = [one for one in seen if (one.stage, one.detail) == ("weights", name)]
        size = sum(t.nbytes for t in load_file(Path(side.model) / "model.safetensors").values())
        done = [one.done for one in counted]
        assert done == sorted(done)
        assert (counted[-1].done, counted[-1].total, counted[-1].unit) == (size, size, "bytes")


class TestPrecision:
    def test_nf4_is_nf4_with_double_quantization(self, tiny_pair: MakeProfile) -> None:
        subject = tiny_pair(quantization="nf4", dtype="bfloat16")
        pair = load_pair(subject)
        weight: Any = pair.after.model.model.layers[0].mlp.up_proj.weight
        assert type(weight).__name__ == "Params4bit"
        assert weight.quant_state.quant_type == "nf4"
        assert weight.quant_state.nested
        assert pair.infos[1].quantization == "nf4"

    def test_nf4_answers_close_to_full_precision(self, tiny_pair: MakeProfile) -> None:
        """Quantization changes the logits, but only a little."""
        full = load_pair(tiny_pair())
        four = load_pair(tiny_pair(quantization="nf4", dtype="bfloat16"))
        ids = torch.tensor([[5, 6, 7, 80, 90, 100]])
        for side in ("before", "after"):
            exact, coarse = (
                getattr(p, side).logits(ids, getattr(p, side).new_cache(), 6)[0].log_softmax(-1)
                for p in (full, four)
            )
            kl = (exact.exp() * (exact - coarse)).sum(-1)
            assert 0 < float(kl.mean()) < 0.5

    def test_int8_answers(self, tiny_pair: MakeProfile) -> None:
        steps = answer(tiny_pair(quantization="int8", dtype="bfloat16"), 0, 1, count=4)
        assert all(s.logp.after <= 0 for s in steps)

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
    def test_the_dtype_is_the_profile_s(self, tiny_pair: MakeProfile, dtype: str) -> None:
        pair = load_pair(tiny_pair(dtype=dtype))
        assert str(pair.after.model.dtype) == f"torch.{dtype}"
        assert pair.infos[0].dtype == dtype

    def test_auto_is_float32_on_the_cpu(self, tiny_pair: MakeProfile) -> None:
        assert load_pair(tiny_pair(dtype="auto")).infos[0].dtype == "float32"

    def test_a_gpu_has_its_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A tensor's device has an index, and a device without one does not equal it."""
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
        found = [choose_device(wanted) for wanted in ("auto", "cuda", "cuda:1", "cpu")]
        assert [str(device) for device in found] == ["cuda:0", "cuda:0", "cuda:1", "cpu"]

    def test_a_gpu_that_is_not_there_is_named(self) -> None:
        with pytest.raises(PairError, match=r"asks for cuda:63"):
            choose_device("cuda:63")


class TestVocabulary:
    def test_different_row_counts_are_masked(self, tmp_path: Path) -> None:
        """A padded head may give its padding any logits: it is never sampled."""
        before = save_side(tmp_path / "before", seed=1, rows=512)
        after = save_side(tmp_path / "after", seed=2, rows=576)
        pair = load_pair(profile(before, after))
        assert pair.size == 512
        assert any("512" in n and "576" in n for n in pair.notices)
        steps = answer(profile(before, after), -1, 0, 4, count=30)
        assert max(c.id for s in steps for c in s.top) < 512

    def test_rows_without_a_token_are_never_sampled(self, tmp_path: Path) -> None:
        sides = [save_side(tmp_path / f"s{n}", seed=n, rows=576) for n in (1, 2)]
        pair = load_pair(profile(*sides))
        assert pair.size == 576
        assert pair.valid is not None
        assert int(pair.valid.sum()) == 512
        steps = answer(profile(*sides), -1, 0, 4, count=30)
        assert max(s.token for s in steps) < 512

    def test_ids_that_mean_other_tokens_are_refused_and_named(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        text = (after / "tokenizer.json").read_text()
        rules = json.loads(text)
        vocabulary = rules["model"]["vocab"]
        tokens = sorted(vocabulary, key=vocabulary.get)
        a, b = tokens[300], tokens[301]
        vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
        (after / "tokenizer.json").write_text(json.dumps(rules))
        with pytest.raises(PairError, match=rf"2 ids mean different tokens \({vocabulary[b]}: "):
            load_pair(profile(before, after))

    def test_it_is_compared_before_any_weight_is_read(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        for side in (before, after):
            (side / "model.safetensors").write_bytes(b"not weights")
        rules = json.loads((after / "tokenizer.json").read_text())
        rules["normalizer"] = {"type": "Lowercase"}
        (after / "tokenizer.json").write_text(json.dumps(rules))
        with pytest.raises(PairError, match="tokenize the same text differently"):
            load_pair(profile(before, after))

    def test_a_renamed_placeholder_is_an_ordinary_id(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        for side, name in ((before, "<|reserved_7|>"), (after, "<tool_call>")):
            for file in ("tokenizer.json", "tokenizer_config.json"):
                path = side / file
                path.write_text(path.read_text().replace("<|system|>", name))
        pair = load_pair(profile(before, after))
        assert pair.valid is None
        assert any("3: '<|reserved_7|>' / '<tool_call>'" in notice for notice in pair.notices)

    def test_the_ends_of_turn_of_both_sides_end_a_reply(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        config = json.loads((before / "generation_config.json").read_text())
        (before / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [0]}))
        assert load_pair(profile(before, after)).end_of_turn == {0, 4}

    def test_the_context_is_the_smaller_one(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        config = json.loads((before / "config.json").read_text())
        (before / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 128}))
        assert load_pair(profile(before, after)).context == 128


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "told"), [(TEMPLATE, True), ("<|endoftext|>" + TEMPLATE, False)]
    )
    def test_a_beginning_of_text_that_the_template_leaves_out_is_said(
        self, tmp_path: Path, template: str, told: bool
    ) -> None:
        side = save_side(tmp_path, template=template)
        rules = json.loads((side / "tokenizer.json").read_text())
        rules["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                "<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}
            },
        }
        (side / "tokenizer.json").write_text(json.dumps(rules))
        notices = load_pair(profile(side, side)).notices
        assert any("leaves out the beginning of text" in n for n in notices) == told


class TestSources:
    def test_progress_is_reported_stage_by_stage(self, tiny_pair: MakeProfile) -> None:
        seen: list[Loading] = []
        load_pair(tiny_pair(), seen.append)
        stages = list(dict.fromkeys((s.stage, s.detail) for s in seen))
        assert stages == [("vocabulary", "compare"), ("weights", "before"), ("weights", "after")]
        assert seen[-1].done == seen[-1].total

    def test_the_same_folder_twice_is_held_once_and_said(self, tiny_pair: MakeProfile) -> None:
        base = tiny_pair().before.model
        pair = load_pair(profile(base, base))
        assert pair.before.model is pair.after.model
        assert any("nothing to amplify" in n for n in pair.notices)

    def test_a_folder_that_is_not_there(self) -> None:
        with pytest.raises(PairError, match=r"no folder \./nowhere"):
            load_pair(profile("./nowhere", "./nowhere"))

    def test_a_hub_id_without_network(self) -> None:
        with pytest.raises(PairError, match="cannot be reached"):
            load_pair(profile("some-org/some-model", "some-org/other"))

    def test_an_impossible_hub_id(self) -> None:
        with pytest.raises(PairError, match="There is no model"):
            load_pair(profile("a b c//d", "x"))

    def test_weights_that_are_not_safetensors(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        (after / "model.safetensors").rename(after / "pytorch_model.bin")
        with pytest.raises(PairError, match="no safetensors"):
            load_pair(profile(before, after))

    def test_half_downloaded_weights(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        whole = (after / "model.safetensors").read_bytes()
        (after / "model.safetensors").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(PairError, match="cannot be loaded"):
            load_pair(profile(before, after))

    def test_weights_with_a_gap_are_not_filled_with_noise(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        tensors = load_file(after / "model.safetensors")
        del tensors["model.layers.1.mlp.up_proj.weight"]
        save_file(tensors, after / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(PairError, match=r"incomplete: 1 .*layers\.1\.mlp\.up_proj"):
            load_pair(profile(before, after))

    def test_a_folder_without_a_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(PairError, match="cannot be read as a language model"):
            load_pair(profile(tmp_path / "empty", tmp_path / "empty"))

    def test_a_subfolder(self, tmp_path: Path) -> None:
        before, _ = save_pair(tmp_path / "root")
        side = {"model": str(tmp_path / "root"), "subfolder": "after"}
        assert load_pair(profile(before, side)).size == 512
        side["subfolder"] = "nothing"
        with pytest.raises(PairError, match="no subfolder nothing"):
            load_pair(profile(before, side))

    def test_one_tokenizer_serves_both_where_the_other_side_has_none(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        for file in before.glob("*token*"):
            file.unlink()
        assert load_pair(profile(before, after)).size == 512

    def test_no_tokenizer_at_all(self, tmp_path: Path) -> None:
        for side in (sides := save_pair(tmp_path)):
            for file in [*side.glob("*token*"), *side.glob("chat_template*")]:
                file.unlink()
        with pytest.raises(PairError, match="has a tokenizer"):
            load_pair(profile(*sides))

    def test_code_of_a_repository_is_not_run(self, tmp_path: Path) -> None:
        before, after = save_pair(tmp_path)
        (after / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        config = json.loads((after / "config.json").read_text())
        config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
        (after / "config.json").write_text(json.dumps(config))
        with pytest.raises(PairError):
            load_pair(profile(before, after))
        assert not (tmp_path / "ran").exists()
        shutil.rmtree(after)
