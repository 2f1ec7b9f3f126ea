"""With `--connect` a command prints what it prints where the pair is: nothing is loaded here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.remote import RemoteClient
from logit_amp_chat.tui.commands import engine as engines
from logit_amp_chat.tui.commands.main import run
from tests.models import save_pair
from tests.served import TOKEN, Served, served

TEMPLATE = (
    "{{ style or 'plain' }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = "Otters eat fish and crabs.\nThey swim in the river, and sleep in a row.\n"
PROMPT = ("--prompt", "Otters?")
ALPHAS = ("--alpha", "0", "--alpha", "1.5")


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A pair whose template has a variable."""
    folders = save_pair(tmp_path_factory.mktemp("pair"))
    for folder in folders:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = TEMPLATE
        tokenizer.save_pretrained(folder)
    before, after = ({"model": str(folder)} for folder in folders)
    file = folders[0].parent / "pair.yaml"
    sides = {"before": before, "after": after}
    file.write_text(json.dumps(sides | {"device": "cpu", "dtype": "float32"}))
    return load_profile(str(file))


@pytest.fixture(scope="module")
def engine(profile: Profile) -> LocalEngine:
    return LocalEngine.open(profile)


@pytest.fixture(scope="module")
def server(engine: LocalEngine, profile: Profile) -> Iterator[Served]:
    with served(engine, profile) as running:
        yield running


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOGIT_AMP_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT * 8)
    Path("prompts.txt").write_text("Otters?\nAnd seals?\nWhere is the sea?\n")


Printed = Callable[..., tuple[str, str]]


@pytest.fixture
def printed(
    engine: LocalEngine,
    profile: Profile,
    server: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Printed:
    """What a command prints with the pair here, and over a connection."""

    def both(*arguments: str) -> tuple[str, str]:
        found: list[str] = []
        path = Path(profile.before.model).parent / "pair.yaml"
        here = LocalEngine(profile, engine.pair)
        for where, open_engine in (
            (("--profile", str(path)), lambda *_: here),
            (("--connect", server.url), refuse),
        ):
            monkeypatch.setattr(engines, "open_engine", open_engine)
            given = [part.replace("OUT", f"out-{len(found)}") for part in arguments]
            assert run([*given, *where]) == 0
            found.append(capsys.readouterr().out)
        return found[0], found[1]

    return both


def refuse(*_: object) -> None:
    raise AssertionError("a pair was loaded here")


@pytest.mark.parametrize(
    "arguments",
    [
        ("reply", *PROMPT, *ALPHAS, "--max-new-tokens", "12"),
        ("reply", *PROMPT, "--template-arg", "style=loud", "--show-prompt"),
        ("reply", *PROMPT, "--system", "Be brief.", "--begin", "I", "--max-new-tokens", "12"),
        ("diff", "text.txt", "--window", "32", "--alpha", "1"),
        ("diff", "text.txt", "--stat"),
        ("diff", "text.txt", "--csv", "--alpha", "-0.5"),
        ("diff", "text.txt", "prompts.txt", "--tokens"),
        ("loss", "text.txt", "--csv", "--alpha", "-1:1:0.5"),
        ("search", "prompts.txt", "--lines"),
        (
            *("sweep", *PROMPT, *ALPHAS, "--samples", "3", "--max-new-tokens", "6"),
            *("--behaviour", "e=e", "--csv", "--out", "OUT"),
        ),
    ],
    ids=" ".join,
)
def test_it_prints_the_same(arguments: tuple[str, ...], printed: Printed) -> None:
    here, there = printed(*arguments)

    assert here
    assert there == here


def test_records_are_the_same_but_for_their_ids(printed: Printed) -> None:
    here, there = printed("reply", *PROMPT, *ALPHAS, "--max-new-tokens", "12", "--jsonl")

    steps = [re.findall(r'{"type":"step".*?"index":.*', lines) for lines in (here, there)]
    nameless = [[re.sub(r'"reply":"[^"]*"', "", step) for step in some] for some in steps]
    assert len(nameless[0]) > 12
    assert nameless[0] == nameless[1]


def test_a_variable_of_the_template_reaches_the_server(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reply", *PROMPT, "--show-prompt", "--connect", server.url]

    shown = []
    for more in ([], ["--template-arg", "style=loud"]):
        assert run([*command, *more]) == 0
        shown.append(capsys.readouterr().out)

    assert ("plain" in shown[0], "loud" in shown[0]) == (True, False)
    assert ("plain" in shown[1], "loud" in shown[1]) == (False, True)


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (("reply", *PROMPT), ("--profile", "demo")),
        (("reply", *PROMPT), ("--system-after", "x")),
        (("diff", "text.txt"), ("--device", "cpu")),
        (("diff", "text.txt"), ("--template-arg", "a=b")),
        (("diff", "text.txt"), ("--blame",)),
        (("loss", "text.txt"), ("--engine", "vllm")),
        (("search", "prompts.txt"), ("--before", "a", "--after", "b")),
        (("sweep", *PROMPT), ("--workers", "2")),
        (("sweep", *PROMPT), ("--chain",)),
        (("sweep", *PROMPT), ("--dry-run",)),
    ],
    ids=lambda part: " ".join(part),
)
def test_what_a_server_has_decided_cannot_be_asked_for(
    command: tuple[str, ...],
    refused: tuple[str, ...],
    server: Served,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*command, *refused, "--connect", server.url]) == 2
    error = capsys.readouterr().err
    assert refused[0] in error
    assert "cannot be combined with --connect" in error


def test_a_sweep_that_was_cut_off_goes_on(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", *PROMPT, *ALPHAS, "--max-new-tokens", "6", "--out", "s"]
    command += ["--connect", server.url, "--csv", "--behaviour", "e=e"]
    assert run([*command, "--samples", "2"]) == 0
    first = (Path("s") / "sweep.jsonl").read_bytes()

    assert run([*command, "--samples", "4"]) == 0

    assert (Path("s") / "sweep.jsonl").read_bytes().startswith(first)


def test_a_hit_opens_in_a_chat_over_the_same_connection(
    server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[RemoteClient] = []

    def run_chat(_profile: Profile, **given: Any) -> int:
        opened.append(given["make_engine"](lambda _events: None))
        return 0

    monkeypatch.setattr("logit_amp_chat.tui.app.run_chat", run_chat)
    monkeypatch.setattr(
        "logit_amp_chat.tui.terminal.capabilities.check_terminal", lambda **given: None
    )
    monkeypatch.setattr(engines, "open_engine", refuse)
    command = ["search", "prompts.txt", "--lines", "--open", "1", "--connect", server.url]

    assert run(command) == 0

    (client,) = opened
    assert isinstance(client, RemoteClient)
    client.close()
