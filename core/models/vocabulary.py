"""One vocabulary for two sides: what they share, and the bytes behind each id."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from logit_amp_chat.core.errors import LogitAmpError, PairError
from logit_amp_chat.core.number_format import count

# Fast tokenizers of transformers; typed loosely, as transformers is.
Tokenizer = Any

# Placeholder tokens, which a release may rename without a change of use.
PLACEHOLDER = re.compile(r"reserved|unused|extra_id|placeholder|dummy|\bpad\b", re.IGNORECASE)

# What a notice or an error lists of many ids, and characters of a name.
LISTED = 4
LONGEST_NAME = 40

BY_ID = (
    "If the ids mean the same and only their names differ, use --vocabulary by-id"
    " (in a profile, vocabulary: by-id)."
)

# Texts that different normalizers or pre-tokenizers are likely to cut differently.
PROBES = (
    "The quick brown fox, it's 12345 years old.",
    "  two  spaces\n\n\tand a tab ",
    "naïve café — “quotes” ﬁ ½ ² Å",
    "def f(x):\n    return x**2  # 100% ok?!",
    "日本語のテキスト 🙂 привет مرحبا",
    "don't WE'LL I'm\r\nCamelCase snake_case http://a.b/c?d=1",
)


@dataclass(frozen=True)
class SharedVocabulary:
    """The columns that both heads have, and the ids among them that a tokenizer names."""

    size: int
    usable: frozenset[int]
    notices: tuple[str, ...] = ()


def _tokens_by_id(tokenizer: Tokenizer) -> dict[int, str]:
    return {i: token for token, i in tokenizer.get_vocab().items()}


def fingerprint(tokenizer: Tokenizer) -> str:
    """A hash of the vocabulary without its added tokens, which may differ."""
    added = _added(tokenizer)
    words = sorted(item for item in tokenizer.get_vocab().items() if item[1] not in added)
    said = json.dumps(words).encode()
    return hashlib.sha256(said).hexdigest()[:16]


def _added(tokenizer: Tokenizer) -> dict[int, Any]:
    return dict(tokenizer.added_tokens_decoder)


@dataclass(frozen=True)
class Sides:
    """What the two that are compared are called in notices, and whose names are shown."""

    both: str = "The sides"
    heads: str = "The heads"
    either: str = "one side"
    shown: str = "after"

    @classmethod
    def of(cls, both: str, shown: str) -> Sides:
        """Two stages by their names; the tokens are named as by the stage `shown`."""
        return cls(both, f"The heads of {both}", f"one of {both}", shown)


BEFORE_AND_AFTER = Sides()


def share(
    before: Tokenizer,
    after: Tokenizer,
    rows: tuple[int, int],
    names: tuple[str, str],
    *,
    by_id: bool = False,
    size: int | None = None,
    sides: Sides = BEFORE_AND_AFTER,
) -> SharedVocabulary:
    """Match two tokenizers whose models have `rows` output rows each.

    Usable are the ids below both row counts that either tokenizer names; padding rows are not.
    Raises PairError, with the first differing ids, if an id means two different tokens or the
    same text is cut into different tokens. With `by_id` both are notices: an id is the same
    token on both sides, whatever they call it. `size` is how many ids are compared, if other
    stages have fewer rows.
    """
    size = min(rows) if size is None else size
    left, right = _tokens_by_id(before), _tokens_by_id(after)
    named = {i for i in left.keys() | right.keys() if i < size}
    differing = sorted(i for i in named & left.keys() & right.keys() if left[i] != right[i])
    added = _added(before).keys() & _added(after).keys()
    wrong = [
        i
        for i in differing
        if i not in added or not (PLACEHOLDER.search(left[i]) or PLACEHOLDER.search(right[i]))
    ]
    both = {i: f"{_quoted(left[i])} / {_quoted(right[i])}" for i in differing}
    if wrong and not by_id:
        raise PairError(
            f"{names[0]} and {names[1]} do not share a vocabulary: "
            f"{len(wrong):,} ids mean different tokens ({_listed({i: both[i] for i in wrong})}).",
            "Logits can only be compared between models with the same tokenizer: choose two"
            f" stages of the same model. {BY_ID}",
        )
    notices = []
    if rows[0] != rows[1]:
        heads = f"{sides.heads} have {rows[0]:,} and {rows[1]:,} rows"
        notices.append(f"{heads}; the {size:,} in common are used.")
    if differing:
        words = len(set(differing) - added)
        ordinary = f", {words:,} of them ordinary words" if words else ""
        notices.append(
            f"{sides.both} name {len(differing):,} of {len(named):,} ids"
            f" differently{ordinary}; {sides.shown}'s names are shown ({_listed(both)})."
        )
    if one_sided := sorted(named - (left.keys() & right.keys())):
        only = {i: _quoted(left.get(i) or right[i]) for i in one_sided}
        notices.append(f"Only {sides.either} names {count(len(only), 'id')} ({_listed(only)}).")
    if problem := _other_cuts(before, after, names):
        if not by_id:
            raise PairError(
                problem,
                "Their normalizers or pre-tokenizers differ; choose two stages of the same model."
                f" {BY_ID}",
            )
        notices.append(f"{problem} Prompts are cut as {sides.shown}'s tokenizer does.")
    return SharedVocabulary(size, frozenset(named), tuple(notices))


def share_all(
    tokenizers: Sequence[Tokenizer],
    rows: Sequence[int],
    names: Sequence[str],
    by_id: Callable[[int, int], bool],
    sides: Callable[[int, int], Sides] = lambda a, b: BEFORE_AND_AFTER,
) -> SharedVocabulary:
    """What two or more sides share: as `share`, of every two of them.

    `by_id` says of which two an id is one token whatever they call it, `sides` what two are
    called. Raises PairError.
    """
    size = min(rows)
    pairs = [
        share(
            tokenizers[a],
            tokenizers[b],
            (rows[a], rows[b]),
            (names[a], names[b]),
            by_id=by_id(a, b),
            size=size,
            sides=sides(a, b),
        )
        for a, b in itertools.combinations(range(len(tokenizers)), 2)
    ]
    usable = frozenset().union(*(pair.usable for pair in pairs))
    notices = dict.fromkeys(notice for pair in pairs for notice in pair.notices)
    return SharedVocabulary(size, usable, tuple(notices))


def _quoted(token: str) -> str:
    """A token's name for a sentence, shortened."""
    return repr(token if len(token) <= LONGEST_NAME else token[: LONGEST_NAME - 1] + "…")


def _listed(names: dict[int, str]) -> str:
    """The first ids with their names, and how many more there are."""
    shown = ", ".join(f"{i}: {name}" for i, name in [*names.items()][:LISTED])
    return f"{shown}, and {len(names) - LISTED:,} more" if len(names) > LISTED else shown


def _other_cuts(before: Tokenizer, after: Tokenizer, names: tuple[str, str]) -> str | None:
    """How the normalizers or pre-tokenizers cut text differently; None if they do not."""

    def spelled(tokenizer: Tokenizer) -> tuple[Any, Any] | None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            return None
        rules = json.loads(backend.to_str())
        return rules.get("normalizer"), rules.get("pre_tokenizer")

    if spelled(before) == spelled(after) is not None:
        return None
    for probe in PROBES:
        cut = [t(probe, add_special_tokens=False)["input_ids"] for t in (before, after)]
        if cut[0] != cut[1]:
            return (
                f"{names[0]} and {names[1]} tokenize the same text differently: "
                f"{probe!r} gives {cut[0][:8]}… and {cut[1][:8]}…."
            )
    return None


def beginning_of_text(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that the tokenizer puts before plain text; most often one, or none."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    places = range(len(whole) - len(plain) + 1)
    begin = next((n for n in places if whole[n : n + len(plain)] == plain), 0)
    return tuple(whole[:begin])


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that steer the model (end of turn and the like) and are not part of a reply's text."""
    added = {i for i, token in _added(tokenizer).items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def end_of_turn_ids(sources: Iterable[Any]) -> frozenset[int]:
    """The union of `eos_token_id` over configs, generation configs and tokenizers."""
    found: set[int] = set()
    for source in sources:
        eos = getattr(source, "eos_token_id", None)
        if isinstance(eos, int):
            found.add(eos)
        elif eos is not None:
            found.update(int(i) for i in eos)
    return frozenset(found)


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, as byte-level BPE spells its tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


BYTE_LEVEL = _byte_level_alphabet()
BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TokenBytes:
    """The bytes that each id stands for, so that split UTF-8 can be joined and nothing is lost."""

    def __init__(self, tokenizer: Tokenizer, *others: Tokenizer | None) -> None:
        """The first of `others` that has a name for an id names it where `tokenizer` does not."""
        self._tokenizer = tokenizer
        self._added = {i: token.content for i, token in _added(tokenizer).items()}
        self._special = special_ids(tokenizer)
        named = set(tokenizer.get_vocab().values())
        self._elsewhere: dict[int, bytes] = {}
        for other in others:
            if other is None or other is tokenizer:
                continue
            missing = set(other.get_vocab().values()) - named - self._elsewhere.keys()
            if missing:
                theirs = TokenBytes(other)
                self._elsewhere |= {i: theirs.raw(i) for i in missing}
                self._special |= theirs._special & missing
        self._spell: Callable[[str], bytes] = self._speller()
        self._cache: dict[int, tuple[str, str | None, bool]] = {}
        self._raw: dict[int, bytes] = {}
        self._breakers: dict[tuple[str, ...], frozenset[int]] = {}

    def _speller(self) -> Callable[[str], bytes]:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        decoder = json.dumps(json.loads(backend.to_str()).get("decoder")) if backend else ""
        if "ByteLevel" in decoder:
            return lambda token: bytes(
                b for c in token for b in ([BYTE_LEVEL[c]] if c in BYTE_LEVEL else c.encode())
            )
        if "ByteFallback" in decoder or "Metaspace" in decoder or "▁" in decoder:
            # Gemma's runs of spaces are added tokens that are spelled like all others
            self._added = {i: text for i, text in self._added.items() if i in self._special}
            return lambda token: (
                bytes([int(m[1], 16)])
                if (m := BYTE_FALLBACK.fullmatch(token))
                else token.replace("▁", " ").encode()
            )
        return self._spelled_by_tokenizer

    def _spelled_by_tokenizer(self, token: str) -> bytes:
        return str(self._tokenizer.convert_tokens_to_string([token])).encode()

    def raw(self, token: int) -> bytes:
        """The bytes of one id. Raises LogitAmpError for a number that no id can be."""
        if not 0 <= token < 2**31:
            raise LogitAmpError(
                f"{token} is no token's id.", "Check the file, or the request, that it is from."
            )
        found = self._raw.get(token)
        if found is None:
            found = self._raw[token] = self._spelled(token)
        return found

    def _spelled(self, token: int) -> bytes:
        if token in self._added:
            return str(self._added[token]).encode()
        if token in self._elsewhere:
            return self._elsewhere[token]
        spelled = self._tokenizer.convert_ids_to_tokens(token)
        return b"" if spelled is None else self._spell(str(spelled))

    def breakers(self, texts: tuple[str, ...]) -> frozenset[int]:
        """The ids that have one of `texts` in them, and all special ones."""
        if texts not in self._breakers:
            ids = {*self._tokenizer.get_vocab().values(), *self._elsewhere}
            wanted = [text.encode() for text in texts]
            having = {i for i in ids if any(text in self.raw(i) for text in wanted)}
            self._breakers = {texts: self._special | having}
        return self._breakers[texts]

    def describe(self, token: int) -> tuple[str, str | None, bool]:
        """(text, hex bytes where the text is not valid UTF-8 on its own, special) of one id."""
        found = self._cache.get(token)
        if found is None:
            raw = self.raw(token)
            try:
                found = raw.decode(), None, token in self._special
            except UnicodeDecodeError:
                found = raw.decode(errors="replace"), raw.hex(), token in self._special
            self._cache[token] = found
        return found
