"""What Model Runner V2 does with requests that V1 does not; the rest is `test_vllm_engine`'s."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from logit_amp_chat.core.vllm.lane_rows import Lane, LaneRows, Settings, SharedIds
from logit_amp_chat.core.vllm.v2_rows import V2Rows
from tests.core.vllm.requests import SAMPLINGS
from tests.core.vllm.stand_in import v2_batch, v2_request
from tests.core.vllm.test_modules import PYTHON

SIZE = 40
SHARED = SharedIds.of(SIZE, [], [3], torch.device("cpu"))
SETTINGS = Settings({}, SAMPLINGS["penalized"], 4)
PROMPT = [5, 6, 7]


def lane(name: str) -> dict[str, Any]:
    return {"name": name, "seed": 1, "turn": 0, "alpha": 1.0, "start": 0, "forced": []}


def logits(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, rows, SIZE, generator=generator)
    return drawn[0], drawn[1]


@pytest.fixture
def rows() -> V2Rows:
    found = V2Rows()
    found.start(SHARED)
    found.settings = SETTINGS
    for name in ("a", "b"):
        found.add(v2_request(lane(name), PROMPT))
    return found


def chosen(said: list[int], seed: int) -> tuple[int, list[float]]:
    """The token after these, by the function that V1's sampler calls."""
    one = Lane(**lane("a"), prompt=PROMPT, said=said)
    sides = logits(2, seed)
    tokens, numbers = LaneRows(SHARED).choose((sides[0][:1], sides[1][:1]), [one], SETTINGS)
    return int(tokens[0]), numbers[0]


def test_what_was_said_is_followed(rows: V2Rows) -> None:
    said: list[int] = []
    for seed in range(6):
        tokens, taken = rows.choose(logits(2, seed), v2_batch(["a", "b"]))
        token, numbers = chosen(said, seed)
        assert (int(tokens[0]), taken.tolist()) == (token, [1, 1])
        name, index, row = rows.numbers[0]
        assert (name, index) == ("a", len(said))
        assert row == pytest.approx(numbers, abs=1e-5, nan_ok=True)
        said.append(token)


def test_a_prompt_that_is_read_in_part_takes_no_token(rows: V2Rows) -> None:
    _, taken = rows.choose(logits(2, 0), v2_batch(["a", "b"], read=[2, 3], of=3))
    assert taken.tolist() == [0, 1]
    tokens, _ = rows.choose(logits(2, 1), v2_batch(["a", "b"]))
    assert [index for _, index, _ in rows.numbers] == [0, 1]
    assert int(tokens[0]) == chosen([], 1)[0]


def test_a_request_that_had_no_room_goes_on_where_it_was(rows: V2Rows) -> None:
    said = [int(rows.choose(logits(2, seed), v2_batch(["a", "b"]))[0][0]) for seed in range(3)]
    rows.remove("a")
    rows.choose(logits(1, 9), v2_batch(["b"]))
    rows.add(v2_request(lane("a"), PROMPT, said))
    tokens, _ = rows.choose(logits(2, 4), v2_batch(["a", "b"]))
    assert rows.numbers[0][:2] == ("a", 3)
    assert int(tokens[0]) == chosen(said, 4)[0]


def test_what_vllm_warms_up_with_are_no_lanes(rows: V2Rows) -> None:
    assert rows.has(v2_batch(["a", "b"]))
    assert not rows.has(v2_batch(["a", "_warmup_0_"]))
    assert not V2Rows().has(v2_batch([]))


def test_the_installed_vllm_has_the_hooks_that_are_used() -> None:
    """By its source, as importing it needs a GPU."""
    if PYTHON is None:
        pytest.skip("vLLM's environment is not there: ./setup.sh vllm")
    [runner] = PYTHON.parents[1].glob("lib/python*/site-packages/vllm/v1/worker/gpu")
    states = names_in(runner / "model_states" / "interface.py")
    assert {"custom_sampler", "add_request", "remove_request"} <= states
    assert {"get_model_state_cls"} <= names_in(runner / "model_states" / "__init__.py")
    assert {"req_id", "prompt_token_ids", "prefill_token_ids", "sampling_params"} <= names_in(
        runner.parents[1] / "core" / "sched" / "output.py"
    )
    batch = {"req_ids", "num_computed_tokens_np", "num_scheduled_tokens", "prefill_len_np"}
    assert batch <= names_in(runner / "input_batch.py")
    output = {"sampled_token_ids", "logprobs_tensors", "num_nans", "num_sampled", "num_rejected"}
    assert output <= names_in(runner / "sample" / "output.py")


def names_in(path: Path) -> set[str]:
    """The functions, attributes and texts in a file of Python."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    named = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    named |= {node.target.id for node in nodes
              if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}  # fmt: skip
    return named | {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
