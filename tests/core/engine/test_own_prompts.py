"""One model behind two prompts: every number is that of plain forward passes behind each."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.api.open_pair import OpenPair, open_pair
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.stages import prompted
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.experiments.search import Search, SearchSettings
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.reading import Chat
from logit_amp_chat.core.records import Message, Step
from logit_amp_chat.core.samples import Draw, SampledReply, SamplePrompt, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.replay import pinned_profile, replay, requests_by_session
from tests.core.engine.sampling import messages
from tests.core.transcripts.replaying import Scribe
from tests.models import TEMPLATE, save_side

PIRATE = "the sea is blue"
QUESTION = "Otters?"
ANSWER = "Otters eat fish and crabs."
CHAT = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
ALPHAS = (-1.0, 0.0, 1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    template = TEMPLATE + "{% if thinking is defined %}{{ thinking }}{% endif %}"
    return str(save_side(tmp_path_factory.mktemp("one") / "model", seed=3, template=template))


def opened(folder: str, **sides: Any) -> OpenPair:
    profile = Profile.model_validate(
        {
            "name": "one",
            "before": {"model": folder},
            "after": {"model": folder},
            "dtype": "float32",
            "device": "cpu",
            "sampling": {"temperature": 0.0, "plausibility": 0.0, "max_new_tokens": 8},
        }
    )
    return open_pair(profile, **sides)


@pytest.fixture(scope="module")
def pair(folder: str) -> OpenPair:
    return opened(folder, systems=("", PIRATE))


def rendered(folder: str, messages: Sequence[dict[str, str]], **variables: Any) -> list[int]:
    """The ids of a prompt, as transformers renders it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True, **variables
    )
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def logp_behind(folder: str, prompt: Sequence[int], tokens: Sequence[int]) -> Tensor:
    """Log-probabilities (T, V) of every next token behind a prompt, of one forward pass."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0]
    return logits.double().log_softmax(-1)[len(prompt) - 1 : len(prompt) + len(tokens) - 1]


def both(folder: str, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
    question = {"role": "user", "content": QUESTION}
    with_system = [{"role": "system", "content": PIRATE}, question]
    prompts = rendered(folder, [question]), rendered(folder, with_system)
    before, after = (logp_behind(folder, prompt, tokens) for prompt in prompts)
    return before, after


def check_steps(steps: Sequence[Step], before: Tensor, after: Tensor, alpha: float) -> None:
    amplified = (after + alpha * (after - before)).log_softmax(-1)
    for n, step in enumerate(steps):
        token = step.token
        found = (step.logp.before, step.logp.after, step.logp.amplified)
        expected = tuple(float(side[n, token]) for side in (before, after, amplified))
        assert found == pytest.approx(expected, abs=1e-4)
        kl = float((after[n].exp() * (after[n] - before[n])).sum())
        assert step.kl == pytest.approx(kl, abs=1e-4)


def test_weights_of_one_model_are_loaded_once(pair: OpenPair) -> None:
    engine = pair.engine
    assert isinstance(engine, LocalEngine)
    sides = engine.pair.before, engine.pair.after
    assert sides[0].model is sides[1].model


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_reply_mixes_what_the_model_says_behind_two_prompts(
    pair: OpenPair, folder: str, alpha: float
) -> None:
    reply = pair.reply(QUESTION, alpha=alpha)[0]
    tokens = [step.token for step in reply.steps]
    before, after = both(folder, tokens)
    check_steps(reply.steps, before, after, alpha)
    mixed = after + alpha * (after - before)
    assert tokens == mixed.argmax(-1)[: len(tokens)].tolist()


def test_a_chat_is_diffed_behind_each_sides_system_prompt(pair: OpenPair, folder: str) -> None:
    diff = pair.diff(CHAT)
    tokens = [step.token for step in diff.steps]
    ids = AutoTokenizer.from_pretrained(folder)(ANSWER, add_special_tokens=False).input_ids
    assert tokens[: len(ids)] == ids
    before, after = both(folder, tokens)
    for n, step in enumerate(diff.steps):
        assert step.logp.before == pytest.approx(float(before[n, step.token]), abs=1e-4)
        assert step.logp.after == pytest.approx(float(after[n, step.token]), abs=1e-4)


def test_windows_of_a_long_chat_begin_with_each_sides_own_prompt(
    pair: OpenPair, folder: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    long = [CHAT[0], {"role": "assistant", "content": ANSWER * 12}]
    last = pair.diff(long, window=48, stride=16).steps[-1]
    text = tokenizer.apply_chat_template(long, tokenize=False)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    system = tokenizer(f"<|system|>{PIRATE}<|end|>", add_special_tokens=False).input_ids
    seen = tokens[len(tokens) - (48 - len(system)) :]
    assert len(tokens) > 2 * 48
    assert last.token == seen[-1]
    for head, found in (((), last.logp.before), (system, last.logp.after)):
        ids = [*head, *seen[:-1]]
        expected = logp_behind(folder, ids, [0])[0, last.token]
        assert found == pytest.approx(float(expected), abs=1e-4)


def test_the_loss_at_an_alpha_is_that_of_the_mixture(pair: OpenPair, folder: str) -> None:
    curve = pair.loss([CHAT], alpha=list(ALPHAS))
    tokens = [step.token for step in pair.diff(CHAT).steps]
    before, after = both(folder, tokens)
    for alpha in ALPHAS:
        mixed = (after + alpha * (after - before)).log_softmax(-1)
        chosen = mixed.gather(-1, torch.tensor(tokens).unsqueeze(-1))
        assert curve.at(alpha).loss == pytest.approx(-float(chosen.mean()), abs=1e-4)


def test_openings_are_those_behind_each_prompt(pair: OpenPair, folder: str) -> None:
    before, after = both(folder, [0])
    for row in pair.openings(QUESTION, alpha=0.0, top=3):
        if row.token is not None:
            expected = before[0, row.token].exp(), after[0, row.token].exp()
            assert (row.p.before, row.p.after) == pytest.approx([*map(float, expected)], abs=1e-5)


def test_a_sweeps_replies_have_the_probabilities_behind_each_prompt(
    pair: OpenPair, folder: str
) -> None:
    engine = pair.engine
    sampling = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=6)
    prompt = SamplePrompt(messages=messages(QUESTION))
    draws = [Draw(reply=f"r{n}", prompt=0, alpha=a, seed=n) for n, a in enumerate(ALPHAS)]
    request = SampleRequest(
        prompts=(prompt,), draws=tuple(draws), grid=ALPHAS, sampling=sampling, rows=3
    )
    replies = [event for event in engine.sample(request) if isinstance(event, SampledReply)]
    assert len(replies) == 3
    for reply in replies:
        before, after = both(folder, reply.tokens)
        at = torch.arange(len(reply.tokens)), torch.tensor(reply.tokens)
        n = len(reply.tokens)
        assert reply.log_probs.before == pytest.approx(before[:n][at].tolist(), abs=1e-4)
        assert reply.log_probs.after == pytest.approx(after[:n][at].tolist(), abs=1e-4)
        for number, alpha in enumerate(ALPHAS):
            mixed = (after + alpha * (after - before)).log_softmax(-1)[:n][at].tolist()
            assert [row[number] for row in reply.log_probs.q] == pytest.approx(mixed, abs=1e-4)


def test_a_search_ranks_by_what_the_prompts_differ_in(pair: OpenPair, folder: str) -> None:
    message = Message(id="m", parent=None, role="user", text=QUESTION)
    content = Chat(messages=(message,), score="all")
    sources = [Source(name="file", place="", line=1, content=content)]
    search = Search(pair.engine, sources, SearchSettings(tokens=4))
    for _ in search:
        pass
    (found,) = search.best
    tokens = [step.token for step in pair.reply(QUESTION, alpha=0.0)[0].steps][: found.tokens]
    before, after = both(folder, tokens)
    kl = (after.exp() * (after - before)).sum(-1)[: found.tokens]
    assert found.mean_kl == pytest.approx(float(kl.mean()), abs=1e-4)
    ratio = (after - before)[torch.arange(found.tokens), torch.tensor(tokens)].sum()
    assert found.log_ratio == pytest.approx(float(ratio), abs=1e-4)


def test_a_saved_reply_is_decoded_again_from_its_session_alone(pair: OpenPair) -> None:
    assert isinstance(pair.engine, LocalEngine)
    scribe = Scribe(pair.engine)
    scribe.ask(QUESTION, "amplified", "before")
    (requests,) = requests_by_session(scribe.records)
    again = pinned_profile(pair.session)
    assert again is not None
    with contextlib.closing(LocalEngine.open(again)) as engine:
        results = replay(engine, requests.requests[0])
    assert [result.identical for result in results] == [True, True]


def test_plain_text_is_refused_as_both_sides_would_read_it_alike(pair: OpenPair) -> None:
    with pytest.raises(
        LogitAmpError, match=r"both would read it alike\. Give it as the reply in a chat"
    ):
        pair.diff("Otters eat fish.")


def test_a_raw_prompt_says_that_the_own_prompts_are_not_used(pair: OpenPair) -> None:
    with pytest.warns(UserWarning, match="both sides have the same prompt"):
        reply = pair.reply(QUESTION, raw=True)[0]
    assert all(step.kl == 0 for step in reply.steps)


def test_a_template_variable_of_one_side_is_in_its_prompt_alone(folder: str) -> None:
    with opened(folder, templates=({}, {"thinking": "hm"})) as own:
        shown = own.prompt(QUESTION)
        question = [{"role": "user", "content": QUESTION}]
        assert [token.id for token in shown.before] == rendered(folder, question)
        assert [token.id for token in shown.after] == rendered(folder, question, thinking="hm")
        assert own.profile.labels.after == "thinking=hm"


def test_a_session_says_what_each_side_was_prompted_with(pair: OpenPair) -> None:
    recorded = pair.session.profile
    assert recorded["before"]["system"] == ""
    assert recorded["after"]["system"] == PIRATE
    assert prompted(pair.profile) == pair.profile
