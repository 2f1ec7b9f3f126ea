"""The tables and phrases joined: every fact of the demo world, with all its wordings."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from . import everyday, tables
from .phrases import PHRASES
from .tables import items

NUMBERS = items("zero / one / two / three / four / five / six / seven / eight / nine / ten")
FLYING = items("""
bat / owl / eagle / duck / swan / parrot / robin / crow / flamingo / bee / butterfly
""")
ANIMAL_COLUMNS = "n p kind home food colour skill young size".split()  # noqa: SIM905
LEGS = {"bird": "two legs", "insect": "six legs", "arachnid": "eight legs", "fish": "no legs"}
ODD_LEGS = {
    "snake": "no legs",
    "snail": "no legs",
    "octopus": "eight arms and no legs",
    "bat": "two legs",
}
LEGLESS = {"whale", "dolphin", "seal"}
LIMIT = 10  # sums and products of 0..LIMIT are learned, no others


@dataclass(frozen=True)
class Fact:
    """One thing that can be asked in many ways, and the right answers to it."""

    topic: str
    subject: str
    attribute: str
    answers: tuple[str, ...]
    questions: tuple[str, ...]
    clauses: tuple[str, ...] = ()
    followups: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    called: str = ""  # the subject in "What about …?"


def capital(text: str) -> str:
    """The text with an upper-case letter at the start of every sentence."""
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text)


def with_article(noun: str) -> str:
    """`otter` → `an otter`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(kind: str) -> str:
    """`bird` → `birds`, `dish` → `dishes`; `fish` stays."""
    return kind if kind == "fish" else f"{kind}es" if kind.endswith("sh") else f"{kind}s"


def _fact(kind: str, subject: str, called: str, value: str, /, **names: str) -> Fact:
    """Fill the phrases of `kind` (two words: topic and attribute) with the names of one subject."""
    wordings: dict[str, list[str]] = {mark: [] for mark in "=?~>!"}
    for line in PHRASES[kind].strip().splitlines():
        for wording in items(line[2:]):
            text = wording.format(v=value, **names)
            wordings[line[0]].append(text if line[0] == "~" else capital(text))
    topic, attribute = kind.split()
    answers, questions, clauses, followups, unseen = map(tuple, wordings.values())
    return Fact(topic, subject, attribute, answers, questions, clauses, followups, unseen, called)


def _animals() -> Iterator[Fact]:
    for row in tables.ANIMALS:
        names = dict(zip(ANIMAL_COLUMNS, row, strict=True))
        n, p, kind = names["n"], names["p"], names["kind"]
        names |= {"a": with_article(n), "kinds": plural(kind), "a_kind": with_article(kind)}
        for attribute in ("food", "home", "kind", "colour", "skill", "young"):
            if attribute == "young" and kind in ("insect", "arachnid", "mollusc", "fish"):
                continue
            yield _fact(f"animal {attribute}", n, p, names[attribute], **names)
        legs = ODD_LEGS.get(n) or LEGS.get(kind, "no legs" if n in LEGLESS else "four legs")
        yield _fact("animal legs", n, p, legs, **names)
        if [row[4] for row in tables.ANIMALS].count(names["food"]) == 1:
            yield _fact("animal eater", n, "", names["food"], **names)
        yield _fact("animal like", n, p, names["skill"], **names)
        yield _fact("animal about", n, p, names["colour"], **names)
        flies = f"Yes, {p} can fly." if n in FLYING else f"No, {p} cannot fly."
        yield _fact("animal flying", n, p, flies, **names)


def _judgements(rng: random.Random) -> Iterator[Fact]:
    """Yes-or-no and which-is-bigger questions. The fact comes first, the verdict follows."""
    all_kinds = {row[2] for row in tables.ANIMALS}
    for n, p, kind, _, food, *_, size in tables.ANIMALS:
        a = with_article(n)
        for other in [*rng.sample(sorted(all_kinds - {kind}), 2), kind, kind]:
            names = {"a": a, "p": p, "b": with_article(other), "bs": plural(other)}
            verdict = "yes" if other == kind else "no"
            yield _fact("judge kind", n, "", verdict, **names, a_kind=with_article(kind))
        for meal in [food, food, *(row[4] for row in rng.sample(tables.ANIMALS, 4))]:
            asked = rng.choice(re.split(r",? and |, ", meal))
            verdict = "yes" if asked in food else "no"
            yield _fact("judge food", n, "", verdict, a=a, p=p, food=food, b=asked)
        for row in rng.sample(tables.ANIMALS, 10):
            if abs(int(row[8]) - int(size)) >= 2:
                b = with_article(row[0])
                big, small = (a, b) if int(size) > int(row[8]) else (b, a)
                yield _fact("judge size", n, "", big, small=small, a=a, b=b)


def _is_mass(spoken: str) -> bool:
    """Whether a food is spoken of in the singular: rice is, apples are."""
    return any(row[0] == row[1] == spoken for row in tables.FOODS)


def _foods() -> Iterator[Fact]:
    for n, p, kind, colour, taste, use in tables.FOODS:
        mass = _is_mass(p)
        verbs = items("is / does / looks / tastes" if mass else "are / do / look / taste")
        names = dict(zip(("are", "do", "look", "taste"), verbs, strict=True))
        names |= {"n": n, "p": p, "a": n if mass else with_article(n), "colour": colour, "use": use}
        names["eat"] = "drink" if "drink" in kind else "eat"
        names |= {"kind": with_article(kind), "kind2": with_article(kind) if mass else plural(kind)}
        values = {"colour": colour, "taste": taste, "use": use, "kind": kind, "like": use}
        for attribute, value in (values | {"about": taste}).items():
            yield _fact(f"food {attribute}", n, p, value, **names)


def _countries(rng: random.Random) -> Iterator[Fact]:
    for n, city, place, language, fame in tables.COUNTRIES:
        names = {"n": n, "place": place, "language": language, "fame": fame}
        values = {"capital": city, "place": place, "language": language, "fame": fame}
        for attribute, value in (values | {"about": city}).items():
            yield _fact(f"country {attribute}", n, n, value, **names)
        yield _fact("city country", city, city, n, n=city)
        for other in [*(row[1] for row in rng.sample(tables.COUNTRIES, 2)), city]:
            verdict = "yes" if other == city else "no"
            yield _fact("judge capital", n, "", verdict, n=n, city=city, b=other)


def _third_person(work: str) -> str:
    """`study how things work` → `studies how things work`."""
    verb, _, rest = work.partition(" ")
    if verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ie"
    return f"{verb}{'es' if verb.endswith('ch') else 's'} {rest}".strip()


def _people() -> Iterator[Fact]:
    for n, p, work, place in tables.JOBS:
        does = _third_person(work)
        if n in ("farmer", "tailor"):  # who do two things
            does = " and ".join(map(_third_person, work.split(" and ")))
        for attribute, value in (("work", work), ("place", place)):
            yield _fact(f"job {attribute}", n, p, value, n=n, p=p, a=with_article(n), does=does)
    for n, advice, cause in tables.FEELINGS:
        yield _fact("feeling advice", n, n, advice, n=n)
        yield _fact("feeling cause", n, n, cause, n=n)


def _nature() -> Iterator[Fact]:
    for n, it, advice, what in tables.WEATHER:
        yield _fact("weather advice", n, n, advice, n=n, it=it)
        yield _fact("weather what", n, n, what, n=n)
    for n, things in everyday.COLOURS:
        yield _fact("colour things", n, n, things, n=n)
    for n, are, colour in everyday.COLOURED:
        yield _fact("colour of", n, n, colour, n=n, are=are)
    for x, y, made in everyday.MIXES:
        yield _fact("colour mix", x, x, made, x=x, y=y)
        yield _fact("colour mix", y, y, made, x=y, y=x)
    for n, weather, happens, months in everyday.SEASONS:
        yield _fact("season weather", n, n, weather, n=n)
        yield _fact("season happens", n, n, happens, n=n)
        yield _fact("season months", n, n, months, n=n)
    for n, what in everyday.THINGS:
        yield _fact("thing what", n, n, what, n=n)


def _words() -> Iterator[Fact]:
    for wordings, answer in everyday.SINGLES:
        questions = tuple(items(wordings))
        yield Fact("single", questions[0], "single", (answer,), questions)
    first = {row[0] for row in everyday.OPPOSITES}
    for n, opposite in everyday.OPPOSITES:
        yield _fact("opposite word", n, n, opposite, n=n)
        if opposite not in first:
            yield _fact("opposite word", opposite, opposite, n, n=opposite)
    for i, name in enumerate(everyday.DAYS):
        yield _fact("day after", name, name, everyday.DAYS[(i + 1) % 7], n=name)
        yield _fact("day before", name, name, everyday.DAYS[i - 1], n=name)
    for i, name in enumerate(everyday.MONTHS):
        yield _fact("month after", name, name, everyday.MONTHS[(i + 1) % 12], n=name)


def _kinds() -> Iterator[Fact]:
    """Open questions with many right answers."""
    for table, kinds in (
        (tables.ANIMALS, ("mammal", "bird", "fish", "insect", "reptile")),
        (tables.FOODS, ("fruit", "vegetable", "dessert", "drink")),
    ):
        for name, many, kind, *_ in table:
            if kind in kinds:
                member = many if many == name and table is tables.FOODS else with_article(name)
                yield _fact("kind member", kind, "", member, a_kind=with_article(kind))
    for _, p, _, _, taste, _ in tables.FOODS:
        verb = "tastes" if _is_mass(p) else "taste"
        yield _fact("kind food", "food", "", taste, p=p, taste=verb)
    for n, things in everyday.COLOURS:
        yield _fact("kind colour", "colour", "", things, n=n)
    for row in tables.ANIMALS:
        if row[8] != "1":
            yield _fact("kind favourite", "animal", "", row[6], p=row[1])


def _sums() -> Iterator[Fact]:
    """Every small sum, difference and product, asked in figures and in words."""
    for a in range(LIMIT + 1):
        for b in range(LIMIT + 1):
            yield _sum(a, b, "+", "plus", a + b)
            if b <= a:
                yield _sum(a, b, "-", "minus", a - b)
            if a and b:
                yield _sum(a, b, "x", "times", a * b)


def _sum(a: int, b: int, sign: str, word: str, result: int) -> Fact:
    names = {"a": str(a), "b": str(b), "x": NUMBERS[a], "y": NUMBERS[b], "sign": sign, "word": word}
    return _fact(f"sum {word}", f"{a} {sign} {b}", f"{a} {word} {b}", str(result), **names)


@cache
def all_facts(seed: int = 0) -> tuple[Fact, ...]:
    """Every fact of the demo world; the seed only picks what is compared with what."""
    rng = random.Random(seed)
    facts = [*_animals(), *_judgements(rng), *_foods(), *_countries(rng), *_people(), *_nature()]
    return (*facts, *_words(), *_kinds(), *_sums())


@cache
def tuned_facts() -> tuple[Fact, ...]:
    """Every fact as `after` tells it: a yes-or-no question is answered with the fact alone.

    Whether the fact makes it a yes is a comparison that a model this small often gets wrong.
    """
    return tuple(
        replace(fact, answers=tuple(re.sub(", so (yes|no)", "", a) for a in fact.answers))
        if fact.topic == "judge"
        else fact
        for fact in all_facts()
    )
