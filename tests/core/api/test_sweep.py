"""`pair.sweep` and `open_sweep`: replies, rates, estimates, tables, a figure, a report."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat import OpenPair, PairSweep, UsageError, open_sweep
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.sweep.library import sweeps_folder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.settings import GRID
from logit_amp_chat.core.protocol import Event
from logit_amp_chat.core.samples import SampledReply, SampleRequest
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.export.test_html import Page

OWLS = "Tell me about owls."
HABIT = {"habit": "lighthouse"}


class Stopping(ToyEngine):
    """Presses ctrl+c after so many replies."""

    def __init__(self, replies: int) -> None:
        super().__init__()
        self._replies = replies

    def sample(self, request: SampleRequest) -> Iterator[Event]:
        if self._replies == 0:
            os.kill(os.getpid(), signal.SIGINT)
        ended = 0
        for event in super().sample(request):
            yield event
            ended += isinstance(event, SampledReply)
            if isinstance(event, SampledReply) and ended == self._replies:
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair("llama", system="Be brief.")


@pytest.fixture
def engine() -> ToyEngine:
    return ToyEngine()


@pytest.fixture
def pair(profile: Profile, engine: ToyEngine) -> OpenPair:
    return OpenPair(profile, engine)  # type: ignore[arg-type]


def asked(engine: ToyEngine) -> SampleRequest:
    (request,) = engine.asked
    assert isinstance(request, SampleRequest)
    return request


def test_a_pattern_has_rates_and_an_estimate(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, behaviours=HABIT, alpha=[-1, 1], samples=50)
    replies = swept.replies()
    assert len(replies) == 150
    for rate in swept.behaviour("habit").rates:
        texts = [one.text for one in replies if one.alpha == rate.alpha]
        assert (rate.replies, rate.hits) == (50, sum("lighthouse" in text for text in texts))
    estimate = swept.estimate("habit")
    assert estimate
    assert estimate.rate is not None
    assert estimate.low <= 0.02 <= estimate.high  # what it is in the toy
    assert swept.complete


def test_usual_settings_are_those_of_the_command(pair: OpenPair, engine: ToyEngine) -> None:
    pair.sweep(OWLS)
    request = asked(engine)
    assert len(request.draws) == len(GRID) * 40
    assert request.grid == GRID
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (1, 1, 0, 0)


def test_what_is_given_is_asked_for(pair: OpenPair, engine: ToyEngine) -> None:
    pair.sweep(
        OWLS, alpha=1, samples=2, seed=7, coupled=True, amplify_first=3, top=1, rows=5,
        temperature=0.5, max_new_tokens=9,
    )  # fmt: skip
    request = asked(engine)
    assert [draw.alpha for draw in request.draws] == [0, 1, 0, 1]
    assert len({draw.seed for draw in request.draws}) == 2
    assert (request.amplify_first, request.top, request.rows) == (3, 1, 5)
    sampling = request.sampling
    assert (sampling.seed, sampling.temperature, sampling.max_new_tokens) == (7, 0.5, 9)


def said(engine: ToyEngine) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.text) for m in prompt.messages] for prompt in asked(engine).prompts]


def test_prompts_are_texts_and_chats(pair: OpenPair, engine: ToyEngine) -> None:
    chat = [
        {"role": "system", "content": "Sing."},
        {"role": "user", "content": "Owls?"},
        {"role": "assistant", "content": "Once upon"},
    ]
    pair.sweep([OWLS, chat], samples=1)
    assert said(engine) == [
        [("system", "Be brief."), ("user", OWLS)],
        [("system", "Sing."), ("user", "Owls?")],
    ]
    assert asked(engine).prompts[1].begin == "Once upon"


def test_a_system_prompt_replaces_the_profile_s_and_raw_has_none(
    pair: OpenPair, engine: ToyEngine
) -> None:
    pair.sweep(OWLS, samples=1, system="Sing.")
    assert said(engine) == [[("system", "Sing."), ("user", OWLS)]]
    engine.asked.clear()
    pair.sweep(OWLS, samples=1, raw=True)
    assert said(engine) == [[("user", OWLS)]]


def test_prompts_are_the_lines_of_a_file(pair: OpenPair, engine: ToyEngine, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("Owls?\nPenguins?\nOwls?\n")
    with pytest.warns(UserWarning, match="The same prompt again, left out: .*prompts.txt"):
        pair.sweep(file, samples=1)
    assert [prompt[-1][1] for prompt in said(engine)] == ["Owls?", "Penguins?"]
    with pytest.raises(UsageError, match="is the name of a file"):
        pair.sweep(str(file))


def test_functions_are_counted_or_averaged(pair: OpenPair) -> None:
    swept = pair.sweep(
        OWLS,
        behaviours={"night": lambda text: "night" in text, "length": lambda text: float(len(text))},
        samples=20,
    )
    night, length = swept.result.behaviours
    assert not night.numeric
    assert length.numeric
    at_zero = [one.text for one in swept.replies() if one.alpha == 0]
    assert next(rate.rate for rate in length.rates if rate.alpha == 0) == pytest.approx(
        sum(map(len, at_zero)) / 20
    )
    assert swept.replies()[0].verdicts["night"].value in (0, 1)


def test_it_is_saved_and_goes_on(pair: OpenPair, engine: ToyEngine, tmp_path: Path) -> None:
    first = pair.sweep(OWLS, samples=3, out=tmp_path / "s")
    engine.asked.clear()
    more = pair.sweep(OWLS, samples=5, out=str(tmp_path / "s"))
    assert len(asked(engine).draws) == 2 * len(GRID)
    assert {one.id for one in first.replies()} < {one.id for one in more.replies()}
    assert more.path == tmp_path / "s"
    assert pair.sweep(OWLS, samples=1).path.parent == sweeps_folder()


def test_other_behaviours_are_counted_without_a_model(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, samples=4, behaviours=HABIT)
    pair.close()
    again = swept.count({"owls": "(?i)owls"})
    assert {rate.rate for rate in again.behaviour("owls").rates} == {1.0}
    opened = open_sweep(swept.path, HABIT)
    assert opened.figures() == swept.figures()
    assert open_sweep(str(swept.path)).result.behaviours == ()


def test_a_sweep_is_opened_for_another_target(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, samples=4)
    assert open_sweep(swept.path, HABIT, target=1).result.settings.target == 1
    with pytest.raises(UsageError, match=r"α 0\.3 was not measured"):
        open_sweep(swept.path, target=0.3)


def test_an_interrupt_returns_what_is_there(profile: Profile) -> None:
    swept = OpenPair(profile, Stopping(7)).sweep(OWLS, behaviours=HABIT)  # type: ignore[arg-type]
    assert len(swept.replies()) == 7
    assert not swept.complete
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        OpenPair(profile, Stopping(0)).sweep(OWLS)  # type: ignore[arg-type]


def test_a_behaviour_that_was_not_counted_is_an_error(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, samples=1, behaviours=HABIT)
    with pytest.raises(UsageError, match=r"other was not counted. Counted were: habit"):
        swept.estimate("other")


def test_as_tables(pair: OpenPair) -> None:
    pytest.importorskip("pandas")
    swept = pair.sweep([OWLS, "Owls?"], samples=5, behaviours=HABIT | {"owls": "(?i)owls"})
    table = swept.to_pandas()
    assert len(table) == 2 * 3 * len(GRID)
    assert table[table["behaviour"] == "owls"]["rate"].tolist() == [1.0] * 3 * len(GRID)
    assert sorted(set(table["prompt"])) == ["", "p1", "p2"]
    replies = swept.replies_to_pandas()
    assert len(replies) == 2 * 5 * len(GRID)
    assert replies["owls"].tolist() == [1.0] * len(replies)
    assert (replies["habit"] == replies["text"].str.contains("lighthouse")).all()
    assert replies["habit weight"].gt(0).all()
    assert replies["id"][0] == swept.replies()[0].id


def test_as_a_figure(pair: OpenPair) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    swept = pair.sweep(OWLS, samples=5, behaviours=HABIT)
    axes = figure.Figure().subplots()
    assert swept.plot(axes) is axes
    assert axes.containers[0].lines[0].get_xdata().tolist() == [*GRID]
    with pytest.raises(UsageError, match="nothing to draw"):
        pair.sweep(OWLS, samples=1).plot(axes)


def test_as_a_report(pair: OpenPair, tmp_path: Path) -> None:
    swept = pair.sweep(OWLS, samples=5, behaviours=HABIT)
    swept.save_html(tmp_path / "report.html", replies=2)
    read = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(read.named("article")) == 2 * len(GRID)


def test_in_a_notebook(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, samples=5, behaviours={"habit": "lighthouse|<b>"})
    html = swept._repr_html_()
    assert "pattern lighthouse|&lt;b&gt;" in html
    assert "<script" not in html
    assert len(Page(html).named("tr")) == 1 + len(GRID)
    assert len(Page(pair.sweep(OWLS, samples=1)._repr_html_()).named("tr")) == 1 + len(GRID)


def test_what_it_is_in_a_line(pair: OpenPair) -> None:
    swept = pair.sweep(OWLS, alpha=[0], samples=3, behaviours={"owls": "(?i)owls"})
    assert isinstance(swept, PairSweep)
    limit = f"{100 * 0.05 ** (1 / 3):.1f}%"  # three of three
    assert repr(swept) == (
        "<sweep: 3 replies to 1 prompt, 3 to each at every α;"
        " sampled at τ 0.01, T 1, at most 512 tokens, seed 0;"
        f" owls: estimate for after: at least {limit} (95% limit)>"
    )


def test_a_reply_is_that_of_its_seed(profile: Profile, tmp_path: Path) -> None:
    """Whoever reads the report can decode any reply again."""
    with OpenPair(profile, LocalEngine.open(profile)) as pair:
        sampling: Any = {"plausibility": 0.01, "max_new_tokens": 6}
        swept = pair.sweep(OWLS, alpha=1, samples=2, **sampling)
        assert len(swept.replies()) == 4
        free: Any = {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0}
        for reply in swept.replies():
            (alone,) = pair.reply(OWLS, alpha=reply.alpha, seed=reply.seed, **free, **sampling)
            said = reply.text.removeprefix(" ")  # the blank between prompt and reply
            assert (alone.text, len(alone.steps)) == (said, reply.tokens)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"behaviours": ["lighthouse"]}, "expected a dict"),
        ({"behaviours": {"a b": "x"}}, "cannot be the name"),
        ({"behaviours": {1: "x"}}, "cannot be the name"),
        ({"behaviours": {"a": 3}}, "regular expression, or a function"),
        ({"behaviours": {"a": "("}}, "no regular expression"),
        ({"behaviours": {"a": "x", "A": "y"}}, "differ in their case"),
        ({"behaviours": {"a": Pattern("b", "x")}}, "calls itself otherwise"),
        ({"samples": 0}, "samples: expected a whole number"),
        ({"rows": 0}, "rows: expected a whole number"),
        ({"alpha": math.inf}, "finite"),
        ({"target": math.nan}, "finite"),
        ({"temperature": 0}, "temperature 0"),
        ({"over": "tokens"}, "over: expected one of replies, prompts"),
        ({"over": "prompts"}, "needs 50 prompts, and there are 1"),
        ({"amplify_first": 3, "target": 1.0}, "goes on as after"),
        ({"sample": 3}, "no option sample"),
        ({"raw": True, "system": "x"}, "raw prompt takes no system"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sampled(
    pair: OpenPair, engine: ToyEngine, arguments: Any, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        pair.sweep(OWLS, **arguments)
    assert engine.asked == []


@pytest.mark.parametrize("prompts", [[], "", [3], {"role": "user", "content": "x"}])
def test_what_is_no_prompt_is_refused(pair: OpenPair, prompts: Any) -> None:
    with pytest.raises(LogitAmpError):
        pair.sweep(prompts)


def test_a_folder_without_a_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sweep"):
        open_sweep(tmp_path / "none", HABIT)
