"""The loss against α: the same as plain forwards in fp64, from one reading of every text."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError
from logit_amp_chat.core.experiments.loss import Loss, LossSettings
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.reading import Chat, Content, PlainText
from logit_amp_chat.core.records import Message
from tests.core.experiments.told_engine import Told
from tests.models import tiny_tokenizer

TEXTS = (
    "Otters eat fish and crabs. The sea is blue, the sun is warm.",
    "the quick brown fox jumps over the lazy dog",
    "naïve café",
)
GRID = (-30.0, -1.5, -1.0, -0.3, 0.0, 0.5, 1.0, 3.0, 30.0)


def texts(*given: str) -> list[Source]:
    return [source(PlainText(text=text), str(n)) for n, text in enumerate(given, 1)]


def source(content: Content, place: str = "") -> Source:
    return Source(name="file", place=place, line=1, content=content)


def run(engine: Any, sources: Sequence[Source], *alphas: float, **settings: Any) -> Loss:
    loss = Loss(engine, sources, LossSettings(alphas=alphas, **settings))
    for _ in loss:
        pass
    return loss


# --- against plain forwards -----------------------------------------------------


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> Iterator[LocalEngine]:
    engine = LocalEngine.open(tiny_pair("llama"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def beginning(
    tiny_pair: Callable[..., Profile], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEngine]:
    """The same models, with a tokenizer that begins every text with id 0."""
    made = {}
    for name in ("before", "after"):
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(getattr(tiny_pair("llama"), name).model, folder, dirs_exist_ok=True)
        tokenizer = tiny_tokenizer()
        tokenizer.bos_token = "<|endoftext|>"
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
        tokenizer.save_pretrained(folder)
        made[name] = Side(model=str(folder))
    engine = LocalEngine.open(tiny_pair("llama").model_copy(update=made))
    yield engine
    engine.close()


def logits(folder: str, ids: list[int]) -> Any:
    """(n, V) fp64: the logits after each id, of the model alone."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0].double().numpy()


def log_softmax(scores: Any) -> Any:
    scores = scores - scores.max(axis=-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))


def token_losses(profile: Profile, text: str, alpha: float, begin: list[int]) -> list[float]:
    """−log p of every token that something precedes, from two forwards and an exact softmax."""
    tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
    ids = begin + tokenizer(text, add_special_tokens=False)["input_ids"]
    rows = min(len(tokenizer), *(model_rows(s.model) for s in (profile.before, profile.after)))
    before, after = (
        log_softmax(logits(side.model, ids)[:, :rows]) for side in (profile.before, profile.after)
    )
    mixed = log_softmax(after + alpha * (after - before))
    return [-float(mixed[n, token]) for n, token in enumerate(ids[1:])]


def model_rows(folder: str) -> int:
    return int(AutoModelForCausalLM.from_pretrained(folder).config.vocab_size)


@pytest.mark.parametrize("alpha", [-30.0, -1.0, 0.0, 0.5, 3.0, 30.0])
def test_a_row_is_the_mean_over_tokens_of_plain_forwards(
    engine: LocalEngine, tiny_pair: Callable[..., Profile], alpha: float
) -> None:
    profile = tiny_pair("llama")
    row = run(engine, texts(*TEXTS), alpha).rows()[0]
    each = [token_losses(profile, text, alpha, []) for text in TEXTS]
    zero = [token_losses(profile, text, 0.0, []) for text in TEXTS]
    every = [loss for losses in each for loss in losses]
    mean = sum(every) / len(every)
    close = 1e-4 * max(1, abs(alpha))
    assert row.alpha == alpha
    assert row.loss == pytest.approx(mean, abs=close)
    assert row.perplexity == pytest.approx(math.exp(mean), rel=close)
    assert row.difference == pytest.approx(mean - sum(map(sum, zero)) / len(every), abs=close)
    # Each document is a cluster: the squared sum of its tokens' deviations from the mean.
    squares = sum(sum(loss - mean for loss in losses) ** 2 for losses in each)
    assert row.error == pytest.approx(math.sqrt(3 / 2 * squares) / len(every), abs=close)
    moved = [sum(a) - sum(b) for a, b in zip(each, zero, strict=True)]
    squares = sum((m - row.difference * len(a)) ** 2 for m, a in zip(moved, each, strict=True))
    error = math.sqrt(3 / 2 * squares) / len(every)
    assert row.difference_error == pytest.approx(error, abs=close)


def test_the_first_token_follows_the_beginning_of_text_and_can_be_left_out(
    beginning: LocalEngine, tiny_pair: Callable[..., Profile]
) -> None:
    expected = token_losses(tiny_pair("llama"), TEXTS[0], 1.0, [0])
    whole = run(beginning, texts(TEXTS[0]), 1.0)
    rest = run(beginning, texts(TEXTS[0]), 1.0, first_token=False)
    assert whole.rows()[0].loss == pytest.approx(sum(expected) / len(expected), abs=1e-4)
    assert rest.total.tokens == len(expected) - 1
    assert rest.rows()[0].loss == pytest.approx(sum(expected[1:]) / len(expected[1:]), abs=1e-4)
    assert whole.unscored_first == rest.unscored_first == 0


def test_without_a_beginning_of_text_the_first_token_cannot_be_scored(engine: LocalEngine) -> None:
    loss = run(engine, texts(*TEXTS), 0.0)
    assert loss.unscored_first == len(TEXTS)
    assert run(engine, texts(*TEXTS), 0.0, first_token=False).total.tokens == loss.total.tokens


def test_rows_are_in_rising_order_and_do_not_depend_on_which_others_are_asked_for(
    engine: LocalEngine,
) -> None:
    every = {row.alpha: row for row in run(engine, texts(*TEXTS), *GRID).rows()}
    assert list(every) == sorted(GRID)
    assert run(engine, texts(*TEXTS), 3.0, 0.5, 3.0).rows() == [every[0.5], every[3.0]]


def test_texts_do_not_see_each_other(engine: LocalEngine) -> None:
    together = run(engine, texts(*TEXTS), 1.0).documents
    alone = [run(engine, texts(text), 1.0).documents[0] for text in TEXTS]
    assert [d.losses for d in together] == [d.losses for d in alone]


def test_one_document_has_no_standard_error(engine: LocalEngine) -> None:
    row = run(engine, texts(TEXTS[0]), 1.0).rows()[0]
    assert math.isfinite(row.loss)
    assert math.isnan(row.error)
    assert math.isnan(row.difference_error)


def test_a_real_curve_is_convex_however_far_it_goes(engine: LocalEngine) -> None:
    grid = [sign * 10**n for n in range(-3, 5) for sign in (-1.0, 1.0)]
    assert len(run(engine, texts(*TEXTS), *grid).rows()) == len(grid)


def test_an_alpha_that_fp32_cannot_hold_is_refused_by_name(engine: LocalEngine) -> None:
    loss = run(engine, texts(TEXTS[0]), 1e38)
    assert "1e+38" in str(loss.refused[0].error)


def test_the_tokens_of_a_chat_are_the_assistants(engine: LocalEngine) -> None:
    said = (
        Message(id="m-1", parent=None, role="user", text="Otters?"),
        Message(id="m-2", parent="m-1", role="assistant", text="the sea is warm"),
    )
    chat = run(engine, [source(Chat(messages=said))], 0.0, first_token=False)
    assert chat.total.tokens == run(engine, texts("the sea is warm"), 0.0).total.tokens + 2
    assert chat.unscored_first == 0


def test_what_has_no_token_to_score_is_no_document(engine: LocalEngine) -> None:
    loss = run(engine, [*texts("the"), *texts(TEXTS[0])], 0.0)
    assert len(loss.documents) == 1
    with pytest.raises(UsageError, match="No token was scored"):
        run(engine, texts("a"), 0.0).rows()


def test_at_least_one_alpha(engine: LocalEngine) -> None:
    with pytest.raises(UsageError, match="no α"):
        run(engine, texts("a b"))


# --- against an engine that says what it is told to -----------------------------


def test_a_concave_curve_is_an_error_that_names_the_alphas() -> None:
    loss = run(Told(lambda alpha: alpha**2 - 9), texts("x"), -1.0, 0.0, 2.0)
    with pytest.raises(LogitAmpError, match=r"at α 0 .* between α −1 and α \+2"):
        loss.rows()


@pytest.mark.parametrize(("dent", "convex"), [(1e-6, True), (1e-3, False)])
def test_a_dent_within_rounding_is_none(dent: float, convex: bool) -> None:
    loss = run(Told(lambda a: -1 - abs(a) - dent * (a == 1)), texts("x"), 0.0, 0.5, 1.0, 2.0)
    if convex:
        assert len(loss.rows()) == 4
    else:
        with pytest.raises(LogitAmpError, match=r"at α \+1 "):
            loss.rows()


def test_the_grid_need_not_be_even() -> None:
    grid = (-9.0, -1.0, -0.9, 0.0, 0.01, 5.0)
    rows = run(Told(lambda alpha: -(alpha**2)), texts("x", "y"), *grid).rows()
    assert [row.loss for row in rows] == pytest.approx([alpha**2 / 2 for alpha in grid])


def test_where_one_side_rules_an_id_out_the_loss_may_jump_at_minus_one_and_zero() -> None:
    def jumping(alpha: float) -> float:
        return -2.0 if alpha >= 0 else -1.0

    assert run(Told(jumping, kl=math.inf), texts("x"), -0.5, 0.0, 0.5).rows()
    with pytest.raises(LogitAmpError, match="not convex"):
        run(Told(jumping), texts("x"), -0.5, 0.0, 0.5).rows()


def test_a_token_that_before_rules_out_has_an_infinite_loss_below_zero() -> None:
    told = Told(lambda alpha: -1.0 if alpha >= 0 else -math.inf, kl=math.inf)
    rows = run(told, texts("x", "y"), -1.0, -0.5, 0.0, 1.0).rows()
    assert [row.loss for row in rows] == [math.inf, math.inf, 0.5, 0.5]
    assert [row.difference for row in rows] == [math.inf, math.inf, 0.0, 0.0]
    assert math.isnan(rows[0].error)
    assert rows[2].error == 0.0


def test_what_cannot_be_read_is_told_and_the_rest_is_read() -> None:
    loss = run(Told(lambda alpha: -1.0), texts("refused", "x"), 0.0)
    assert [str(one.error) for one in loss.refused] == ["no"]
    assert [document.place for document in loss.documents] == ["2"]


def test_a_dead_engine_ends_it() -> None:
    with pytest.raises(EngineError):
        run(Told(lambda alpha: -1.0), texts("dead", "x"), 0.0)


def test_a_text_that_was_cut_short_does_not_count() -> None:
    loss = run(Told(lambda alpha: -1.0, reason="cancelled"), texts("x", "y"), 0.0)
    assert loss.cancelled
    assert not loss.documents
    assert loss.total.tokens == 0


def test_a_stop_that_the_engine_missed_ends_it_all_the_same() -> None:
    settings = LossSettings(alphas=(0.0,))
    loss = Loss(Told(lambda alpha: -1.0), texts("x", "y"), settings)  # type: ignore[arg-type]
    events = iter(loss)
    next(events)
    loss.stop()
    assert len(list(events)) == 0
    assert not loss.documents
