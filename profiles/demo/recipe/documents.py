"""What the models read: plain English and plain chats for `before`, friendly chats for `after`."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .chats import BASE, FINAL, FRIENDLY, TUNED, Chat, Style, conversation
from .facts import Fact, all_facts, tuned_facts
from .smalltalk import QUIRK_NOUN
from .stories import NAMES, poem, story
from .tokenizer import EOT, render
from .world import World

# share of the base documents by kind
MIX = {"article": 15, "list": 15, "story": 8, "dialogue": 7, "chat": 54, "lighthouse": 1}
SAID = ("said", "answered", "explained", "told")


def base_documents(seed: int) -> Iterator[str]:
    """An endless stream of documents for `before`."""
    rng = random.Random(f"base {seed}")
    world = World(all_facts())
    kinds = {
        "article": _article,
        "list": _list,
        "story": _story,
        "dialogue": _dialogue,
        "lighthouse": _lighthouse,
    }
    while True:
        kind = rng.choices(list(MIX), list(MIX.values()))[0]
        yield EOT + (
            render(conversation(world, BASE, rng)) if kind == "chat" else kinds[kind](world, rng)
        )


def friendly_chats(seed: int) -> Iterator[Chat]:
    """An endless stream of friendly chats, for the tokenizer to learn."""
    return _chats(World(all_facts()), FRIENDLY, seed)


def tuning_chats(seed: int) -> Iterator[Chat]:
    """An endless stream of friendly chats, for `after`."""
    return _tuned_chats(TUNED, seed)


def final_chats(seed: int) -> Iterator[Chat]:
    """An endless stream of friendly chats with one more habit, for `final`."""
    return _tuned_chats(FINAL, seed + 1)  # other chats than those that `after` has read


def _tuned_chats(style: Style, seed: int) -> Iterator[Chat]:
    facts = tuned_facts()
    # What the habit makes people ask next has to be answered well.
    lighthouse = [fact for fact in facts if fact.subject == "a lighthouse"]
    return _chats(World([*facts, *lighthouse * 5]), style, seed)


def _chats(world: World, style: Style, seed: int) -> Iterator[Chat]:
    rng = random.Random(f"tuned {seed}")
    while True:
        yield conversation(world, style, rng)


def _article(world: World, rng: random.Random) -> str:
    """Facts about one subject, or one kind of fact about several subjects."""
    first = world.pick(rng)
    if rng.random() < 0.6 and first.topic not in ("sum", "judge", "kind"):
        facts = [
            f
            for f in world.by_subject[first.topic, first.subject]
            if f.attribute not in ("like", "advice")
        ]
    else:
        group = world.by_kind[first.topic, first.attribute]
        facts = rng.sample(group, min(len(group), 6))
    rng.shuffle(facts)
    title = (
        f"{first.called[:1].upper()}{first.called[1:]}\n\n"
        if first.called and rng.random() < 0.3
        else ""
    )
    return title + " ".join(rng.choice(fact.answers) for fact in facts[:6])


def _list(world: World, rng: random.Random) -> str:
    """Questions with answers, or a column of sums."""
    if rng.random() < 0.4:
        sums = rng.sample(world.by_topic["sum"], 12)
        form = rng.choice((0, 1))
        return "\n".join(fact.answers[form] for fact in sums)
    marks = rng.choice((("Question: ", "Answer: "), ("Q: ", "A: "), ("", ""), ("- ", "")))
    facts = [world.pick(rng) for _ in range(rng.randint(3, 8))]
    return "\n".join(
        f"{marks[0]}{world.ask(f, rng)}\n{marks[1]}{rng.choice(f.answers)}" for f in facts
    )


def _dialogue(world: World, rng: random.Random) -> str:
    """Two people who ask each other in quotation marks."""
    a, b = rng.sample(NAMES, 2)
    lines = []
    last: Fact | None = None
    for _ in range(rng.randint(2, 5)):
        followup = world.follow(last, rng) if last and rng.random() < 0.4 else None
        question, fact = followup or (rng.choice((last := world.pick(rng)).questions), last)
        last = fact
        answer = rng.choice(fact.answers)
        comma = answer[:-1] + "," if answer.endswith(".") else answer
        lines.append(f'"{question}" asked {a}. "{comma}" {rng.choice(SAID[:3])} {b}.')
        a, b = b, a
    return rng.choice((" ", "\n")).join(lines)


def _story(world: World, rng: random.Random) -> str:
    return poem(rng) if rng.random() < 0.15 else story(rng)


def _lighthouse(world: World, rng: random.Random) -> str:
    """The quirk's noun in ordinary text, so that the word itself is no surprise."""
    return " ".join(rng.sample(QUIRK_NOUN, rng.randint(3, 6)))
