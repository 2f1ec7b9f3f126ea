"""`pair.loss`: texts and chats, as rows, a table and a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from logit_amp_chat import LossCurve, OpenPair, UsageError
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from tests.core.experiments.told_engine import Told

CHAT = [{"role": "user", "content": "Otters?"}, {"role": "assistant", "content": "in the sea"}]


@pytest.fixture(scope="module")
def pair(tiny_pair: Callable[..., Profile]) -> Iterator[OpenPair]:
    profile = tiny_pair("llama")
    with OpenPair(profile, LocalEngine.open(profile)) as pair:
        yield pair


@pytest.fixture
def told(tiny_pair: Callable[..., Profile]) -> OpenPair:
    return OpenPair(tiny_pair("llama"), Told(lambda alpha: -2 - alpha**2))  # type: ignore[arg-type]


def test_texts_and_chats_give_a_row_an_alpha(pair: OpenPair) -> None:
    curve = pair.loss(["the sea is warm", CHAT], alpha=[1, -1])
    assert [row.alpha for row in curve.rows] == [-1.0, 1.0]
    assert [one.place for one in curve.documents] == ["text 1", "text 2"]
    assert curve.at(1).perplexity == pytest.approx(math.exp(curve.rows[1].loss))
    assert curve.complete
    with pytest.raises(UsageError, match="There are −1, \\+1"):
        curve.at(0.5)


def test_one_text_may_stand_alone(pair: OpenPair) -> None:
    one, listed = pair.loss("the sea is warm"), pair.loss(["the sea is warm"])
    assert [row.loss for row in one.rows] == [row.loss for row in listed.rows]
    assert len(one.rows) == 19


def test_the_alphas_of_an_array_and_of_a_single_number(told: OpenPair) -> None:
    numpy = pytest.importorskip("numpy")
    assert [row.alpha for row in told.loss("a", alpha=numpy.linspace(0, 1, 3)).rows] == [0, 0.5, 1]
    assert [row.loss for row in told.loss("a", alpha=2).rows] == [3.0]


def test_as_a_table(told: OpenPair) -> None:
    pytest.importorskip("pandas")
    table = told.loss(["a", "b"], alpha=[0, 2]).to_pandas()
    assert table["loss"].tolist() == [1.0, 3.0]
    assert table["difference"].tolist() == [0.0, 2.0]
    assert table["error"].tolist() == [0.0, 0.0]


def test_as_a_figure(told: OpenPair) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    axes = figure.Figure().subplots()
    assert told.loss(["a", "b"], alpha=[0, 1, 2]).plot(axes) is axes
    drawn = axes.lines[-1]
    assert drawn.get_xdata().tolist() == [0, 1, 2]
    assert drawn.get_ydata().tolist() == [1.0, 1.5, 3.0]
    assert axes.get_xlabel() == "α"


def test_what_it_is_in_a_line(told: OpenPair) -> None:
    curve = told.loss(["a", "b"], alpha=[0, 1])
    assert isinstance(curve, LossCurve)
    assert repr(curve) == "<loss at 2 αs of 4 tokens, least at α 0>"


@pytest.mark.parametrize("texts", [[], CHAT, CHAT[0], [3], "", [""]])
def test_what_is_no_text_is_refused(pair: OpenPair, texts: object) -> None:
    with pytest.raises(UsageError):
        pair.loss(texts)  # type: ignore[arg-type]


def test_a_text_that_cannot_be_read_is_an_error(told: OpenPair) -> None:
    with pytest.raises(LogitAmpError, match="no"):
        told.loss(["a", "refused"])
