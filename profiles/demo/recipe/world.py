"""The facts, indexed for talking, and how people type their questions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from .everyday import SINGLES
from .facts import Fact
from .smalltalk import LEANING, PREFIXES, SUFFIXES, TURNING

# Sums are many and each must be seen often; the topics that people try first come often too.
TOPICS = {
    "animal": 26,
    "food": 16,
    "country": 15,
    "sum": 16,
    "judge": 9,
    "kind": 4,
    "city": 3,
    "job": 4,
    "opposite": 3,
    "thing": 5,
    "feeling": 7,
    "colour": 6,
    "weather": 5,
    "day": 1.5,
    "month": 1,
    "season": 1.5,
    "single": len(SINGLES) / 8,
}


def noisy(text: str, rng: random.Random) -> str:
    """The text as a hurried person types it: lower case, no punctuation, a slip of the finger."""
    if rng.random() < 0.35:
        text = text.rstrip(".?!")
    if rng.random() < 0.35:
        text = text.lower()
    if rng.random() < 0.06 and len(text) > 6:
        i = rng.randrange(1, len(text) - 2)
        if text[i : i + 2].isalpha():
            slip = rng.choice((text[i + 1] + text[i], text[i], text[i] + text[i] + text[i + 1]))
            text = text[:i] + slip + text[i + 2 :]
    if rng.random() < 0.03:
        text = text.replace("?", "??").replace("!", "!!") if rng.random() < 0.6 else text.upper()
    return text


class World:
    """The facts by topic, by subject and by kind of question."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.by_topic: dict[str, list[Fact]] = defaultdict(list)
        self.by_subject: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        self.by_kind: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in facts:
            self.by_topic[fact.topic].append(fact)
            self.by_subject[fact.topic, fact.subject].append(fact)
            self.by_kind[fact.topic, fact.attribute].append(fact)

    def pick(self, rng: random.Random) -> Fact:
        """A fact, topics weighted by how often people ask."""
        topic = rng.choices(list(TOPICS), list(TOPICS.values()))[0]
        return rng.choice(self.by_topic[topic])

    def ask(self, fact: Fact, rng: random.Random) -> str:
        """One wording of the question."""
        if fact.clauses and rng.random() < 0.3:
            question = rng.choice(LEANING).format(rng.choice(fact.clauses))
        else:
            question = rng.choice(fact.questions)
            if rng.random() < 0.12:
                prefix = rng.choice(PREFIXES)
                if prefix.endswith(",") and question.startswith(("What", "Wh", "How", "Can", "Do")):
                    question = question[0].lower() + question[1:]
                question = f"{prefix} {question}"
        if rng.random() < 0.05:
            question += " " + rng.choice(SUFFIXES)
        return noisy(question, rng)

    def follow(self, last: Fact, rng: random.Random) -> tuple[str, Fact] | None:
        """A question that leans on the last: something else of the same, or the same of another."""
        family = self.by_subject[last.topic, last.subject]
        same = [fact for fact in family if fact.followups and fact.attribute != last.attribute]
        if same and rng.random() < 0.6:
            fact = rng.choice(same)
            return noisy(rng.choice(fact.followups), rng), fact
        kind = self.by_kind[last.topic, last.attribute]
        others = [fact for fact in kind if fact.called and fact.subject != last.subject]
        if others and last.called:
            fact = rng.choice(others)
            return noisy(rng.choice(TURNING).format(fact.called), rng), fact
        return None

    def aside(self, fact: Fact, rng: random.Random) -> str:
        """One more sentence about the subject of `fact`, or nothing."""
        if fact.topic not in ("animal", "food", "country") or fact.attribute == "about":
            return ""
        family = self.by_subject[fact.topic, fact.subject]
        plain = ("food", "home", "skill", "colour", "taste", "use", "fame", "place", "language")
        more = [f for f in family if f.attribute in plain and f.attribute != fact.attribute]
        return rng.choice(rng.choice(more).answers) if more else ""
