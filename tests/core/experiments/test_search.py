"""Ranking prompts: the same as brute force with plain forwards, whatever was measured before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import EngineError, LogitAmpError
from logit_amp_chat.core.experiments.search import Search, SearchSettings, by_line
from logit_amp_chat.core.experiments.search_results import Order, SearchResult
from logit_amp_chat.core.experiments.sources import Refused, Source
from logit_amp_chat.core.protocol import Adjustment, Event, Idle, Opened, Request, Stop
from logit_amp_chat.core.reading import Chat, Content, PlainText, Recorded
from logit_amp_chat.core.records import Finish, FinishReason, Message, PromptIds, Role
from tests.core import samples

PROMPTS = (
    "Otters?",
    "the sea is warm",
    "naïve café",
    "the quick brown fox",
    "12345 + 678 = ?",
    "jumps over the lazy dog",
)
TOKENS = 6


def prompts(*texts: str) -> list[Source]:
    return [source(PlainText(text=text), f"line {n}") for n, text in enumerate(texts, 1)]


def source(content: Content, place: str = "") -> Source:
    return Source(name="file", place=place, line=1, content=content)


def chat(*said: tuple[Role, str]) -> Chat:
    messages = tuple(
        Message(id=f"m-{n}", parent=f"m-{n - 1}" if n else None, role=role, text=text)
        for n, (role, text) in enumerate(said)
    )
    return Chat(messages=messages, score="all")


def run(engine: Any, sources: Sequence[Source], **options: Any) -> Search:
    given = {name: options.pop(name) for name in ("top", "by") if name in options}
    search = Search(engine, sources, SearchSettings(tokens=TOKENS, **options), **given)
    for _ in search:
        pass
    return search


# --- against brute force --------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tiny_pair: Callable[..., Profile]) -> Iterator[LocalEngine]:
    engine = LocalEngine.open(tiny_pair("llama"))
    yield engine
    engine.close()


@dataclass
class Expected:
    """What plain forwards give for the tokens after a prompt."""

    kl: list[float]
    ratios: list[float]
    tokens: list[int]

    def value(self, by: Order) -> float:
        mean = sum(self.kl) / len(self.kl)
        found = {"mean-kl": mean, "max-kl": max(self.kl), "log-ratio": abs(sum(self.ratios))}
        return found[by]


class Models:
    """Both sides as transformers loads them, in fp32."""

    def __init__(self, profile: Profile) -> None:
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(profile.after.model)
        self.before, self.after = (
            AutoModelForCausalLM.from_pretrained(side.model, dtype=torch.float32).eval()
            for side in (profile.before, profile.after)
        )

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def log_probs(self, model: Any, ids: list[int]) -> Any:
        with torch.inference_mode():
            scores = model(torch.tensor([ids])).logits[0].double().numpy()
        scores = scores[:, : len(self.tokenizer)]
        scores = scores - scores.max(axis=-1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))

    def given(self, prompt: list[int], tokens: list[int]) -> Expected:
        found = Expected([], [], tokens)
        ids = prompt + tokens
        before, after = (self.log_probs(model, ids) for model in (self.before, self.after))
        for place, token in enumerate(tokens, len(prompt) - 1):
            b, a = before[place], after[place]
            found.kl.append(float((np.exp(a) * (a - b)).sum()))
            found.ratios.append(float(a[token] - b[token]))
        return found

    def greedy(self, prompt: list[int]) -> Expected:
        tokens: list[int] = []
        while len(tokens) < TOKENS and (not tokens or tokens[-1] != self.ids("<|end|>")[0]):
            tokens.append(int(self.log_probs(self.after, prompt + tokens)[-1].argmax()))
        return self.given(prompt, tokens)


@pytest.fixture(scope="module")
def models(tiny_pair: Callable[..., Profile]) -> Models:
    return Models(tiny_pair("llama"))


def asked(text: str) -> str:
    return f"<|user|>{text}<|end|><|assistant|>"


def agrees(result: SearchResult, expected: Expected) -> None:
    assert result.tokens == len(expected.tokens)
    assert result.mean_kl == pytest.approx(sum(expected.kl) / len(expected.kl), abs=1e-4)
    assert result.max_kl == pytest.approx(max(expected.kl), abs=1e-4)
    assert result.log_ratio == pytest.approx(sum(expected.ratios), abs=1e-4)
    place = max(range(result.tokens), key=lambda n: abs(expected.ratios[n]))
    assert result.strongest.index == place
    assert result.strongest.token == expected.tokens[place]
    assert result.strongest.log_ratio == pytest.approx(expected.ratios[place], abs=1e-4)
    assert result.strongest.kl == pytest.approx(expected.kl[place], abs=1e-4)
    assert result.strongest.token in [one.id for one in result.strongest.top]


@pytest.mark.parametrize("by", ["mean-kl", "max-kl", "log-ratio"])
def test_the_ranking_is_that_of_brute_force(engine: LocalEngine, models: Models, by: Order) -> None:
    every = {text: models.greedy(models.ids(asked(text))) for text in PROMPTS}
    ranked = sorted(PROMPTS, key=lambda text: -every[text].value(by))
    found = run(engine, prompts(*PROMPTS), by=by, top=4)
    assert [result.text for result in found.best] == ranked[:4]
    assert found.found == len(PROMPTS)
    for result in found.best:
        agrees(result, every[result.text])
        assert result.measured == "answer"
        assert result.messages == (("user", result.text),)


def test_a_raw_prompt_has_no_template(engine: LocalEngine, models: Models) -> None:
    result = run(engine, prompts("the sea"), raw=True, system="Be kind.").best[0]
    agrees(result, models.greedy(models.ids("the sea")))


def test_a_prompt_has_the_system_prompt_unless_it_has_its_own(
    engine: LocalEngine, models: Models
) -> None:
    own = chat(("system", "Be rude."), ("user", "Otters?"))
    found = run(engine, [*prompts("Otters?"), source(own)], system="Be kind.", top=2)
    kind, rude = (f"<|system|>Be {how}.<|end|>{asked('Otters?')}" for how in ("kind", "rude"))
    by_system = {result.messages[0][1]: result for result in found.best}
    agrees(by_system["Be kind."], models.greedy(models.ids(kind)))
    agrees(by_system["Be rude."], models.greedy(models.ids(rude)))


def test_the_reply_at_the_end_of_a_chat_is_read(engine: LocalEngine, models: Models) -> None:
    said = chat(
        ("user", "Otters?"),
        ("assistant", "the sea"),
        ("user", "naïve"),
        ("assistant", "the lazy dog"),
    )
    result = run(engine, [source(said)]).best[0]
    prompt = f"{asked('Otters?')}the sea<|end|>{asked('naïve')}"
    agrees(result, models.given(models.ids(prompt), models.ids("the lazy dog<|end|>")))
    assert result.measured == "continuation"
    assert (result.text, result.begins) == ("naïve", "the lazy dog")


def test_a_text_is_read_itself_if_so_asked(engine: LocalEngine, models: Models) -> None:
    result = run(engine, prompts("the sea is warm"), texts=True).best[0]
    first, *rest = models.ids("the sea is warm")
    agrees(result, models.given([first], rest))
    assert result.messages == ()


def test_recorded_tokens_are_read(engine: LocalEngine, models: Models) -> None:
    prompt, tokens = models.ids(asked("Otters?")), models.ids("the sea")
    both = PromptIds(tuple(prompt), tuple(prompt))
    result = run(engine, [source(Recorded(prompt=both, tokens=tuple(tokens)))]).best[0]
    agrees(result, models.given(prompt, tokens))


def test_a_result_does_not_depend_on_what_was_measured_before(engine: LocalEngine) -> None:
    after = {r.text: r for r in run(engine, prompts(*PROMPTS), top=9).best}
    alone = [run(engine, prompts(text)).best[0] for text in PROMPTS]
    assert [(one.mean_kl, one.log_ratio) for one in alone] == [
        (after[text].mean_kl, after[text].log_ratio) for text in PROMPTS
    ]


def test_a_prompt_longer_than_the_context_is_refused_and_the_rest_is_measured(
    engine: LocalEngine,
) -> None:
    found = run(engine, prompts("sea " * 400, "Otters?"))
    assert [result.text for result in found.best] == ["Otters?"]
    assert "context" in str(found.refused[0].error)


@pytest.mark.parametrize(
    ("content", "raw", "why"),
    [
        (chat(("user", "a"), ("system", "b")), False, "at its end"),
        (chat(("user", "a")), True, "Leave out --raw"),
    ],
)
def test_a_chat_that_cannot_go_on_is_refused(
    engine: LocalEngine, content: Chat, raw: bool, why: str
) -> None:
    found = run(engine, [source(content)], raw=raw)
    assert not found.best
    assert why in str(found.refused[0].error)


# --- with an engine that says what it is told to --------------------------------


class Scripted:
    """Answers with as many tokens as its reason to end allows, all alike."""

    opened = Opened(session=samples.session())

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.reason: FinishReason = "stop"
        self.error: Exception | None = None
        self.between: Callable[[], None] = lambda: None

    def apply(self, command: Adjustment) -> None:
        assert not isinstance(command, Stop)

    def generate(self, request: Request) -> Iterator[Event]:
        self.requests.append(request)
        if self.error:
            raise self.error
        lane = request.lanes[0]
        yield samples.step(0, "a", reply=lane.reply)
        self.between()
        yield Finish(reply=lane.reply, reason=self.reason, tokens=1, seconds=0.1, error="no luck")
        yield Idle()


def test_the_same_prompt_is_measured_once() -> None:
    engine = Scripted()
    found = run(engine, prompts("a", "b", "a"))
    assert [request.messages[0].text for request in engine.requests] == ["a", "b"]
    assert (found.found, found.known) == (2, 1)


def test_of_equal_results_the_earlier_ranks_higher() -> None:
    assert [r.text for r in run(Scripted(), prompts("c", "a", "b"), top=2).best] == ["c", "a"]


def test_an_interrupted_prompt_has_no_result_and_ends_the_search() -> None:
    engine = Scripted()
    engine.reason = "cancelled"
    found = run(engine, prompts("a", "b"))
    assert (found.cancelled, found.found, len(engine.requests)) == (True, 0, 1)


def test_a_stopped_search_measures_nothing_more() -> None:
    search = Search(Scripted(), prompts("a", "b"), SearchSettings())  # type: ignore[arg-type]
    for _ in search:
        search.stop()
    assert [result.text for result in search.best] == ["a"]


def test_a_stop_that_the_engine_missed_ends_it_all_the_same() -> None:
    engine = Scripted()
    search = Search(engine, prompts("a", "b"), SearchSettings())  # type: ignore[arg-type]
    engine.between = search.stop
    assert list(search) == []
    assert (search.cancelled, len(engine.requests)) == (True, 1)


def test_an_answer_that_breaks_off_is_refused_and_the_search_goes_on() -> None:
    engine = Scripted()
    engine.reason = "error"
    found = run(engine, prompts("a", "b"))
    assert [str(one.error) for one in found.refused] == ["The answer broke off: no luck"] * 2
    engine.error = LogitAmpError("cannot")
    search = Search(engine, prompts("a"), SearchSettings())  # type: ignore[arg-type]
    assert [type(event) for event in search] == [Refused]


def test_a_dead_engine_ends_the_search() -> None:
    engine = Scripted()
    engine.error = EngineError("gone")
    with pytest.raises(EngineError):
        run(engine, prompts("a"))


def test_an_infinite_log_ratio_ranks_first() -> None:
    """The scripted token is one that before rules out."""
    found = run(Scripted(), prompts("a"), by="log-ratio")
    assert found.best[0].log_ratio == float("inf")


def test_lines_are_prompts_with_their_numbers() -> None:
    text = Source(name="f", place="", line=1, content=PlainText(text="one\n\n  two \r\nthree"))
    other = source(chat(("user", "a\nb")))
    part = replace(text, place="part 2", line=9, content=PlainText(text="four"))
    value = replace(text, place="line 7", content=PlainText(text="five\nsix"))
    found = [s for s in by_line([text, other, part, value]) if isinstance(s, Source)]
    assert [(one.place, one.line) for one in found[:3]] == [
        ("line 1", 1),
        ("line 3", 3),
        ("line 4", 4),
    ]
    assert [one.content for one in found[:3]] == [
        PlainText(text=text) for text in ("one", "two", "three")
    ]
    assert found[3] is other
    assert [one.place for one in found[4:]] == ["line 9", "line 7, line 1", "line 7, line 2"]
