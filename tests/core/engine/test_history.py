"""What a model said is what it reads back: the next prompt goes on from the ids of the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.models.pair import load_pair
from logit_amp_chat.core.protocol import Event, Lane, Noticed, Prefill, Request
from logit_amp_chat.core.records import Message, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from tests.models import TEMPLATE

FREE = Sampling(temperature=1.0, top_p=1.0, plausibility=0.0, max_new_tokens=12)
TRIMS = TEMPLATE.replace("m['content']", "m['content'] | trim")
THINKS = TEMPLATE.replace("<|assistant|>{% endif", "<|assistant|><think>\n{% endif")


@pytest.fixture(scope="module")
def profile(tiny_pair: Callable[..., Profile]) -> Profile:
    return tiny_pair()


def engine_of(profile: Profile, template: str = TEMPLATE) -> LocalEngine:
    """An engine whose replies end at their limit, and often are no text."""
    pair = replace(load_pair(profile), end_of_turn=frozenset(), template=template)
    return LocalEngine(profile, pair)


class Talk:
    """A conversation in one lane."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.state = Conversation()
        self.events: list[Event] = []

    def ask(self, text: str) -> Reply:
        number = len(self.state.messages)
        message = Message(id=f"m{number}", parent=self.state.leaf, role="user", text=text)
        self.state.add(message)
        lane = Lane(reply=f"r{number}", name="amplified", alpha=1.0, seed=number)
        asked = self.state.prompt(message.id)
        self.events = [*self.engine.generate(Request(messages=asked, lanes=(lane,), sampling=FREE))]
        for event in self.events:
            if isinstance(event, Reply | Step):
                self.state.add(event)
        return next(event for event in self.events if isinstance(event, Reply))

    @property
    def prefilled(self) -> int:
        """Tokens of the last prompt that each side had to read."""
        return max(event.total for event in self.events if isinstance(event, Prefill)) // 2


def test_five_turns_are_one_sequence_of_ids(profile: Profile) -> None:
    talk = Talk(engine_of(profile))
    before: tuple[int, ...] = ()
    for n in range(5):
        reply = talk.ask(f"question {n}")
        assert reply.prompt.after[: len(before)] == before
        new = len(reply.prompt.after) - len(before)
        said = tuple(step.token for step in talk.state.replies[reply.id].steps)
        # The last sampled token was never read; all else is in the cache.
        assert talk.prefilled == (new + 1 if n else new)
        before = (*reply.prompt.after, *said)


def test_what_the_template_alters_is_said_once(profile: Profile) -> None:
    talk, said = Talk(engine_of(profile, TRIMS)), list[str]()
    blank = talk.engine.pair.tokenizer(" x", add_special_tokens=False)["input_ids"]
    reply = talk.ask("question")
    log = talk.state.replies[reply.id]
    log.steps[0] = replace(log.steps[0], token=blank[0], text=" ")
    for n in range(2):
        talk.ask(f"and {n}")
        said += [event.sentence for event in talk.events if isinstance(event, Noticed)]
    assert len(said) == 1
    assert "does not write every reply as the models said it" in said[0]


@pytest.mark.parametrize(("template", "thinks"), [(THINKS, True), (TEMPLATE, False)])
def test_a_reply_records_whether_its_prompt_left_thinking_open(
    profile: Profile, template: str, thinks: bool
) -> None:
    assert Talk(engine_of(profile, template)).ask("question").thinks is thinks
