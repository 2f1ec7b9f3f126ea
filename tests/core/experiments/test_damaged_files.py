"""Files that were changed at random are read or refused in words, never with a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.experiments.sources import read_sources
from logit_amp_chat.core.transcripts.jsonl import to_line
from tests.core.samples import conversation
from tests.security.mutation import mutated

HELLO = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
ANSWER = [{"role": "assistant", "content": "Hi"}]
ROWS = [
    {"messages": HELLO + ANSWER},
    {"conversations": [{"from": "human", "value": "Ho"}, {"from": "gpt", "value": "Ha"}]},
    {"prompt": HELLO, "completion": ANSWER, "system": "Be brief."},
    {"text": "Otters"},
    "Crabs",
]
ORIGINALS = [
    "".join(to_line(record) + "\n" for record in conversation()),
    "".join(json.dumps(row) + "\n" for row in ROWS),
    json.dumps(ROWS, indent=1),
    "# Otters\r\n\nFischotter 🦦\n",
]


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_file_is_read_or_refused(part: int, tmp_path: Path) -> None:
    refused: list[UsageError] = []
    for seed in range(part * 150, part * 150 + 150):
        chance = random.Random(seed)
        path = tmp_path / f"a{chance.choice(['.json', '.jsonl', '.txt', ''])}"
        path.write_bytes(mutated(chance.choice(ORIGINALS).encode(), chance))
        try:
            sources = read_sources([path], chance.choice(["assistant", "all"]))
        except UsageError as error:
            refused.append(error)
        else:
            assert len(list(sources)) == sum(file.sources for file in sources.files) > 0
    assert 0 < len(refused) < 150
    assert all(error.message.isprintable() and error.remedy for error in refused)
