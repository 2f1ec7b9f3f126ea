"""Little stories and poems from templates: the running prose of the demo world."""

from __future__ import annotations

import random

from .facts import capital, with_article
from .tables import ANIMALS, FOODS, items

NAMES = items("""
Anna / Tom / Lily / Ben / Mia / Max / Ella / Sam / Nora / Leo / Ida / Paul / Rosa / Finn / Clara
""")
HEROES = items("""
dragon / unicorn / princess / king / queen / pirate / robot / boy / girl / knight / witch / ghost
""")
POETIC = items("""
sea / sun / moon / star / rain / tree / river / snow / flower / wind / night / summer / winter
""")
PLACES = items("""
the forest / the river / the market / the old bridge / the beach / the garden / the hill
the lake / the village / the farm / the mill / the harbour
""")
TIMES = items("""
One sunny morning / One rainy day / One cold evening / Early one spring day / On a windy afternoon
One quiet night / Last summer / One snowy day / Long ago / Once upon a time
""")
WISHES = items("""
find some food / see the sea / make a friend / learn to sing / find a warm place / bake a cake
see the stars / go on a trip
""")
TROUBLES = items("""
But the road was long and the wind was strong. / But it began to rain. / But nobody was there.
But a big stone lay on the path. / But it was too dark to see. / But the bridge was closed.
""")
HELP = items("""
"Do not worry," said {b}. "I can help you." / "Come with me," said {b}. "I know the way."
"Let us do it together," said {b}. / "You look tired," said {b}. "Sit down and rest."
""")
DEEDS = items("""
They walked together until the evening. / They shared some {food} and talked for a long time.
They looked everywhere and laughed a lot. / They sat under a tree and ate {food}.
They worked hard, and soon it was done.
""")
ENDS = items("""
In the evening they were tired and happy. / From that day on they were good friends.
Then they went home and slept well. / It was the best day of the year.
{A} smiled and said thank you. / And so everything was well.
""")
EATEN = [row[1] for row in FOODS if "drink" not in row[2]]
POEMS = """
The {n} is here, the sun is too, the grass is green, the sky is blue.
The wind is soft, the day is long, and all the birds sing their song.

Little {n}, where do you go? Over the hill and through the snow.
Little {n}, what do you see? The moon and the stars and a tall old tree.

The {n} went out to see the day, the clouds were white and far away.
The {n} came home and closed the door, and dreamed of hills and of the shore.

I know {a} who likes to sleep, the night is dark, the sea is deep.
And when the morning sun comes round, the {n} wakes up without a sound.
"""


def story(rng: random.Random, hero: str = "") -> str:
    """A story of five to seven sentences about an animal or a child."""
    name, b = rng.choice(NAMES), rng.choice([row[0] for row in ANIMALS if row[0] != hero])
    animal = hero or (rng.choice(ANIMALS)[0] if rng.random() < 0.6 else "")
    a = f"the {animal}" if animal else name
    first = with_article(animal) if animal else name
    if animal and rng.random() < 0.3:
        first += f" named {name}"
    place, wish = rng.choice(PLACES), rng.choice(WISHES)
    meeting = rng.choice((f"There {a} met", f"On the way {a} met"))
    b, other = f"the {b}", with_article(b)
    names = {"a": a, "A": capital(a), "b": b, "food": rng.choice(EATEN)}
    deed, another = rng.sample(DEEDS, 2)
    parts = [
        f"{rng.choice(TIMES)}, {first} went to {place} to {wish}.",
        rng.choice(TROUBLES) if rng.random() < 0.7 else "",
        f"{meeting} {other}.",
        rng.choice(HELP).format(**names),
        deed.format(**names),
        another.format(**names) if rng.random() < 0.2 else "",
        rng.choice(ENDS).format(**names),
    ]
    return " ".join(part for part in parts if part)


def poem(rng: random.Random, subject: str = "") -> str:
    """Two rhymed couplets on one line about an animal."""
    name = subject or rng.choice(ANIMALS)[0]
    text = rng.choice(POEMS.strip().split("\n\n")).replace("\n", " ")
    return text.format(n=name, a=with_article(name))
