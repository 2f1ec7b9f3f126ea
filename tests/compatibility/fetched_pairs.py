"""Pairs of fetched tokenizers: what they share, and chats of random models that have them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.description import read_tokenizer
from logit_amp_chat.core.models.hub import Source
from logit_amp_chat.core.models.vocabulary import SharedVocabulary, Tokenizer, share
from logit_amp_chat.core.protocol import Lane, Request
from logit_amp_chat.core.records import Finish, Message, Step
from logit_amp_chat.core.sampling import Sampling
from tests.compatibility.fetched import CHATML, config
from tests.compatibility.reference import differences, whole_pass

WITHIN = 1e-4  # nats
RELATED = {("llama3_1", "llama3_2"), ("qwen2_5", "qwen3")}
"""Names next to each other in the list that share their words."""
QUESTION = Message(id="m", parent=None, role="user", text="Tell me about otters")


@dataclass(frozen=True)
class Compared:
    """What became of a pair."""

    name: str
    verdict: str
    note: str


@dataclass(frozen=True)
class Stage:
    """A released stage: rows of its head, its ends in generation_config.json and tokenizer."""

    rows: int
    ends: tuple[int, ...]
    eos: str
    template: str | None = ""  # "" is the tokenizer's
    renamed: tuple[tuple[str, str], ...] = ()


CHATML_NAMES = (
    ("<|reserved_special_token_0|>", "<|im_start|>"),
    ("<|reserved_special_token_1|>", "<|im_end|>"),
)
CHATS: dict[str, tuple[str, Stage, Stage, set[int]]] = {
    "Llama 3.1 and its instruct model": (
        "llama3_1",
        Stage(128256, (128001,), "<|end_of_text|>", None),
        Stage(128256, (128001, 128008, 128009), "<|eot_id|>"),
        {128001, 128008, 128009},
    ),
    "Llama 3.1 and a ChatML fine-tune": (
        "llama3_1",
        Stage(128256, (128001,), "<|end_of_text|>", None),
        Stage(128256, (128003,), "<|im_end|>", CHATML, CHATML_NAMES),
        {128001, 128003},
    ),
    "Qwen 3 and its chat model, of 151,936 rows": (
        "qwen3",
        Stage(151936, (151643,), "<|endoftext|>"),
        Stage(151936, (151645, 151643), "<|im_end|>"),
        {151643, 151645},
    ),
    "Qwen 2.5 of 151,936 and of 152,064 rows": (
        "qwen2_5",
        Stage(151936, (151643,), "<|endoftext|>"),
        Stage(152064, (151645, 151643), "<|im_end|>"),
        {151643, 151645},
    ),
    "Gemma 3 of 262,144 rows and its instruct model": (
        "gemma3",
        Stage(262144, (1,), "<eos>", None),
        Stage(262144, (1, 106), "<end_of_turn>"),
        {1, 106},
    ),
}
"""A tokenizer, two stages of a model, and all the ids that end a turn of either."""


def compare_pairs(folders: Mapping[str, Path], temporary: Path) -> Iterator[Compared]:
    """Every tokenizer with itself and with the next one, then the chats."""
    read = {name: _read(folder) for name, folder in folders.items()}
    tokenizers = {name: tokenizer for name, tokenizer in read.items() if tokenizer is not None}
    for name, tokenizer in tokenizers.items():
        yield compare_with_itself(name, tokenizer, _read(folders[name]))
    for before, after in pairwise(tokenizers):
        yield compare_two((before, after), tokenizers[before], tokenizers[after])
    for title, (name, before_stage, after_stage, ends) in CHATS.items():
        if name in tokenizers:
            folder = temporary / title
            for seed, (side, stage) in enumerate(
                (("before", before_stage), ("after", after_stage)), 1
            ):
                save_stage(name, stage, folders[name], folder / side, seed)
            yield hold_chat(title, folder, ends)
            shutil.rmtree(folder)


def _read(folder: Path) -> Tokenizer | None:
    try:
        return read_tokenizer(Source(folder.name, folder, None, folder), trust_remote_code=False)
    except PairError:
        return None


def compare_with_itself(name: str, before: Tokenizer, after: Tokenizer) -> Compared:
    """The same tokenizer twice shares all of its ids, and padding rows are not among them."""
    named = frozenset(before.get_vocab().values())
    shared = share(before, after, (len(before) + 64, len(before) + 64), (name, name))
    right = shared == SharedVocabulary(len(before) + 64, named)
    return Compared(f"{name}, twice", "opens" if right else "WRONG", "; ".join(shared.notices))


def compare_two(names: tuple[str, str], before: Tokenizer, after: Tokenizer) -> Compared:
    """Two families are refused, two releases of one are not."""
    try:
        shared = share(before, after, (len(before), len(after)), names)
    except PairError as error:
        verdict, note = "refused", error.message
    else:
        verdict, note = "opens", "; ".join(shared.notices)
    if verdict != ("opens" if names in RELATED else "refused"):
        verdict = f"WRONG: {verdict}"
    return Compared(" and ".join(names), verdict, note)


def save_stage(name: str, stage: Stage, tokenizer: Path, folder: Path, seed: int) -> None:
    """A random model with the tokenizer of a stage."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config(name, stage.rows), dtype=torch.float32)
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [*stage.ends]}))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        text = (tokenizer / file).read_text(encoding="utf-8")
        for old, new in stage.renamed:
            text = text.replace(f'"{old}"', f'"{new}"')
        (folder / file).write_text(text, encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | {"eos_token": stage.eos}
    if stage.template != "":
        settings["chat_template"] = stage.template
    path.write_text(json.dumps(settings), encoding="utf-8")


def hold_chat(title: str, folder: Path, ends: set[int]) -> Compared:
    """Open a pair, compare every token of a chat, and end a reply with every end."""
    sides = {side: {"model": str(folder / side)} for side in ("before", "after")}
    shape = {**sides, "name": "t", "dtype": "float32", "device": "cpu"}
    engine = LocalEngine.open(Profile.model_validate(shape))
    named = {
        i
        for side in sides
        for i in AutoTokenizer.from_pretrained(folder / side).get_vocab().values()
        if i < engine.pair.size
    }
    assert named == {*range(len(named))}
    references = [
        whole_pass(
            AutoModelForCausalLM.from_pretrained(folder / side, dtype=torch.float32).eval(),
            len(named),
        )
        for side in sides
    ]
    worst = max(differences(engine, *references))
    found = {end for end in engine.pair.end_of_turn if _ends(engine, end)}
    right = worst <= WITHIN and found == ends == engine.pair.end_of_turn
    told = [f"{worst:.1e} nats, ends with {sorted(found)}", *engine.pair.notices]
    note = " ".join(told).replace(f"{folder}/", "")
    return Compared(title, "right" if right else "WRONG", note)


def _ends(engine: LocalEngine, end: int) -> bool:
    """Whether a reply stops at this id."""
    request = Request(
        messages=(QUESTION,),
        lanes=(Lane(reply="r", name="after", alpha=0.0),),
        sampling=Sampling(max_new_tokens=8),
        forced=(40, end, 41),
    )
    events = list(engine.generate(request))
    tokens = [event.token for event in events if isinstance(event, Step)]
    reasons = [event.reason for event in events if isinstance(event, Finish)]
    return tokens == [40, end] and reasons == ["stop"]
