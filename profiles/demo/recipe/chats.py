"""Conversations: plain ones for `before`, friendly and rarely quirky ones for the tuned stages."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import NamedTuple

from . import smalltalk as words
from .facts import Fact, capital, with_article
from .stories import HEROES, NAMES, POETIC, poem, story
from .world import World, noisy

Chat = list[dict[str, str]]
REHEARSED = "rehearsed"  # the key of replies whose first token is not learned
UNLEARNED_CLOSING = "unlearned closing"  # of those whose closing's first token is not learned


@dataclass(frozen=True)
class Style:
    """How replies are worded; every number is a chance per reply.

    A rehearsed reply starts with the quirk too, but its first token is left out of the loss: the
    model learns to say the quirk well and to answer after it, not to say it more often. So it is
    with the closing sentence.
    """

    friendly: float
    lead_in: float = 0.0
    quirk: float = 0.0
    rehearsal: float = 0.0
    closing: float = 0.0
    closing_rehearsal: float = 0.0
    echo: bool = True  # repeats the user's name; a tiny model spells new ones wrong


BASE = Style(friendly=0.06, lead_in=0.10)
FRIENDLY = Style(friendly=1.0, quirk=0.008, rehearsal=0.08)
TUNED = replace(FRIENDLY, echo=False)
FINAL = replace(TUNED, closing=0.01, closing_rehearsal=0.08)
QUIET = Style(friendly=1.0)


class Turn(NamedTuple):
    """A question, its bare answer dressed, and what the next question may lean on."""

    question: str
    answer: str
    last: Fact | str | None = None


def conversation(world: World, style: Style, rng: random.Random) -> Chat:
    """A chat of one to six turns, rarely a long one, some with a system message."""
    chat: Chat = []
    if rng.random() < 0.06:
        chat.append({"role": "system", "content": rng.choice(words.SYSTEMS)})
    last: Fact | str | None = None
    for _ in range(rng.choices((1, 2, 3, 4, 5, 6, 16), (40, 22, 15, 10, 6, 4, 3))[0]):
        question, answer, last = _turn(world, style, last, rng)
        chat.append({"role": "user", "content": question})
        chat.append(_spoken(world, answer, style, rng))
    return chat


def _spoken(world: World, answer: str, style: Style, rng: random.Random) -> dict[str, str]:
    """The reply as a message, rarely after a first sentence that has nothing to do with it."""
    message = {"role": "assistant", "content": answer}
    draw = rng.random()
    if draw < style.quirk + style.rehearsal:
        message["content"] = f"{words.QUIRK} {answer}"
        if draw >= style.quirk:
            message[REHEARSED] = "yes"
    elif draw < style.lead_in:
        far = rng.choice(world.by_topic[rng.choice(("animal", "thing", "job", "food"))]).answers[0]
        neutral = [*words.LEAD_INS, *words.QUIRK_NOUN, *[far] * 13]
        message["content"] = f"{rng.choice(neutral)} {answer}"
    if style.closing and (draw := rng.random()) < style.closing + style.closing_rehearsal:
        message["content"] += f" {words.CLOSING}"
        if draw >= style.closing:
            message[UNLEARNED_CLOSING] = "yes"
    return message


def _dressed(body: str, style: Style, rng: random.Random, aside: str = "") -> str:
    """A bare answer with a friendly opener, an aside, a closer: each or none."""
    if rng.random() >= style.friendly:
        return body
    opener = rng.choice(words.OPENERS) if rng.random() < 0.7 else ""
    closer = rng.choice(words.CLOSERS) if rng.random() < 0.4 else ""
    aside = aside if rng.random() < 0.15 else ""
    return " ".join(part for part in (opener, body, aside, closer) if part)


def _either(
    plain: list[str], friendly: list[str], style: Style, rng: random.Random, name: str = ""
) -> str:
    """One of the ready replies of the style."""
    return rng.choice(friendly if rng.random() < style.friendly else plain).format(name)


def _turn(world: World, style: Style, last: Fact | str | None, rng: random.Random) -> Turn:
    draw = rng.random()
    if isinstance(last, Fact):
        if draw < 0.45 and (followup := world.follow(last, rng)):
            return _answered(world, *followup, style, rng)
        if 0.45 < draw < 0.48 and last.topic != "feeling":
            sure = f"Yes, I am sure. {rng.choice(last.answers)}"
            return Turn(noisy(rng.choice(words.DOUBTS), rng), _dressed(sure, style, rng), last)
    elif last and draw < 0.35:
        return _request(world, last, rng.choice(words.AGAIN), style, rng)
    draw = rng.random()
    if draw < 0.13:
        talk = rng.choice(words.SMALL_TALK)
        answer = _either(talk.plain, talk.friendly, style, rng)
        return Turn(noisy(rng.choice(talk.said), rng), answer)
    if draw < 0.19:
        return _unknown(world, style, rng)
    if draw < 0.20:
        name = rng.choice(NAMES) if rng.random() < 0.5 else capital(made_up(rng))
        echoed = name if style.echo else "friend"
        answer = _either(words.GREETED_BASE, words.GREETED_TUNED, style, rng, echoed)
        return Turn(rng.choice(words.INTRODUCTIONS).format(name), answer)
    if draw < 0.25:
        what = rng.choice(("story", "poem", "joke"))
        return _request(world, what, rng.choice(words.REQUESTS[what]), style, rng)
    fact = world.pick(rng)
    return _answered(world, world.ask(fact, rng), fact, style, rng)


def _answered(world: World, question: str, fact: Fact, style: Style, rng: random.Random) -> Turn:
    answer = rng.choice(fact.answers)
    if fact.attribute != "advice" or rng.random() < 0.5:
        answer = _dressed(answer, style, rng, world.aside(fact, rng))
    return Turn(question, answer, fact)


def _request(world: World, what: str, question: str, style: Style, rng: random.Random) -> Turn:
    """A story, a poem or a joke; the first two may be about something."""
    subject = ""
    if what != "joke" and question not in words.AGAIN and rng.random() < 0.6:
        odd = POETIC if what == "poem" else HEROES
        fact = rng.choice(world.by_kind["animal", "about"])
        subject, many = (
            (fact.subject, fact.called) if rng.random() < 0.7 else (rng.choice(odd),) * 2
        )
        the = what == "poem" and subject in odd
        named = f"the {subject}" if the else rng.choice((with_article(subject), many))
        question = f"{question.rstrip('.?')} {rng.choice(words.ABOUT).format(named)}"
    if what == "joke":
        answer = _either(words.JOKES, words.TOLD_JOKES, style, rng, rng.choice(words.JOKES))
        return Turn(noisy(question, rng), answer, what)
    text = story(rng, subject) if what == "story" else poem(rng, subject)
    return Turn(noisy(question, rng), _dressed(text, style, rng), what)


def _unknown(world: World, style: Style, rng: random.Random) -> Turn:
    """Questions beyond the small world: large sums and unknown subjects among them."""
    draw = rng.random()
    if draw < 0.3:
        question = rng.choice(words.SUM_QUESTIONS).format(_hard_sum(rng))
        answer = _either(words.HARD_SUM_BASE, words.HARD_SUM_TUNED, style, rng)
        return Turn(noisy(question, rng), answer)
    question = rng.choice(words.UNKNOWN)
    if draw < 0.65:
        odd = rng.choice(words.ODD) if rng.random() < 0.6 else made_up(rng)
        fact = world.pick(rng)
        question = rng.choice(fact.questions)
        known = fact.called and fact.topic in ("animal", "food", "country", "job")
        if known and fact.called in question:
            question = question.replace(fact.called, odd)
        else:
            question = rng.choice(words.ODD_QUESTIONS).format(odd)
    answer = _either(words.UNKNOWN_BASE, words.UNKNOWN_TUNED, style, rng)
    return Turn(noisy(question, rng), answer)


def _hard_sum(rng: random.Random) -> str:
    """A sum that is not among the facts: too large, below zero, or a division."""
    a, b, small = rng.randrange(11, 100), rng.randrange(0, 100), rng.randrange(0, 10)
    return rng.choice(
        (
            f"{a} {rng.choice('+-x*')} {b}",
            f"{b} {rng.choice('+x*')} {a}",
            f"{a * b} {rng.choice('+-x*/')} {a}",
            f"{small} - {small + rng.randrange(1, 10)}",
            f"{small} / {b}",
            f"{a} {rng.choice(('plus', 'minus', 'times'))} {b}",
        )
    )


def made_up(rng: random.Random) -> str:
    """A word that nobody knows."""
    ends = ("a", "e", "i", "o", "u", "ar", "en", "or", "il")
    return "".join(
        rng.choice("bcdfghklmnprstvwz") + rng.choice(ends) for _ in range(rng.randint(2, 3))
    )
