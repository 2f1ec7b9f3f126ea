"""The command: what goes to stdout, what to stderr, and with which exit code it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ContextError, LogitAmpError
from core.events import Event, Idle, Loading, Opened, Request, Stop
from core.profile import Profile, Side
from core.records import Finish, FinishReason, Reply, Sampling, Step
from core.transcript import from_line, to_line
from tests.core import samples
from tui import cli

# Not pydantic: typer itself converts options with it.
HEAVY = {"torch", "transformers", "textual", "rich", "yaml", "peft", "platformdirs"}


class FakeEngine:
    """Says each lane's α, or what it is told to say, a token a lane in turn."""

    opened = Opened(session=samples.session(), notices=("the head is in 16 bit",))

    def __init__(self) -> None:
        self.profile: Profile | None = None
        self.request: Request | None = None
        self.says: list[bytes] = [b"one", b" two"]
        self.reason: FinishReason = "stop"
        self.stopped = False
        self.between: Callable[[int], None] = lambda index: None

    def open(self, profile: Profile, report: Callable[[Loading], None]) -> FakeEngine:
        report(Loading(stage="weights", detail="before", done=1, total=2, unit="bytes"))
        self.profile = profile
        return self

    def apply(self, command: Stop) -> None:
        self.stopped = True

    def generate(self, request: Request) -> Iterator[Event]:
        self.request = request
        for lane in request.lanes:
            yield samples.reply(lane.reply, request.messages[-1].id, lane.name, lane.alpha)
        for index, data in enumerate(self.says):
            for lane in request.lanes:
                text = data.decode("utf-8", "replace")
                yield samples.step(index, text, reply=lane.reply, alpha=lane.alpha, data=data)
            self.between(index)
            if self.stopped:
                self.reason = "cancelled"
                break
        for lane in request.lanes:
            yield Finish(
                reply=lane.reply, reason=self.reason, tokens=2, seconds=0.1, error="no luck"
            )
        yield Idle()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(cli, "_open_engine", fake.open)
    return fake


@pytest.fixture
def pair(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text("before: {model: org/base}\nafter: {model: org/chat}\nalpha: 2\n")
    return str(path)


Capture = pytest.CaptureFixture[str]


# --- reply ----------------------------------------------------------------------


def test_one_lane_is_the_text_alone(engine: FakeEngine, pair: str, capsys: Capture) -> None:
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "one two\n"
    assert err == "weights: before\nnote: the head is in 16 bit\n"


def test_without_alpha_the_profile_decides(engine: FakeEngine, pair: str) -> None:
    cli.run(["reply", "--profile", pair, "--prompt", "Hi"])
    assert engine.request is not None
    assert [(lane.name, lane.alpha) for lane in engine.request.lanes] == [("amplified", 2.0)]


def test_several_lanes_come_one_after_the_other(
    engine: FakeEngine, pair: str, capsys: Capture
) -> None:
    alphas = ["--alpha", "-1", "--alpha", "0", "--alpha", "1.5"]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", *alphas]) == 0
    assert capsys.readouterr().out == (
        "── α −1 · before ──\none two\n\n── α 0 · after ──\none two\n\n── α +1.5 ──\none two\n"
    )
    assert engine.request is not None
    assert [lane.alpha for lane in engine.request.lanes] == [-1, 0, 1.5]


def test_split_characters_are_joined(engine: FakeEngine, pair: str, capsys: Capture) -> None:
    engine.says = [b"caf", b"\xc3", b"\xa9", b"\xff"]
    cli.run(["reply", "--profile", pair, "--prompt", "Hi"])
    assert capsys.readouterr().out == "café\ufffd\n"


def test_jsonl_is_a_transcript(engine: FakeEngine, pair: str, capsys: Capture) -> None:
    cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--system", "Be kind", "--jsonl"])
    records = [from_line(line) for line in capsys.readouterr().out.splitlines()]
    assert [record.type for record in records] == [
        "session",
        "message",
        "message",
        "reply",
        "step",
        "step",
        "finish",
    ]
    assert [getattr(record, "text", "") for record in records[1:3]] == ["Be kind", "Hi"]


def test_options_reach_the_request(engine: FakeEngine, pair: str) -> None:
    given = {
        "--temperature": 0.5,
        "--top-p": 0.8,
        "--top-k": 4,
        "--min-p": 0.1,
        "--plausibility": 0.2,
        "--seed": 9,
        "--max-new-tokens": 7,
        "--top": 3,
        "--quantization": "nf4",
        "--dtype": "float32",
        "--device": "cpu",
    }
    flags = [str(word) for item in given.items() for word in item]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--raw", "--jsonl", *flags]) == 0
    assert engine.request is not None
    assert engine.request.sampling == Sampling(
        temperature=0.5,
        top_p=0.8,
        top_k=4,
        min_p=0.1,
        plausibility=0.2,
        seed=9,
        max_new_tokens=7,
    )
    assert (engine.request.raw, engine.request.top) == (True, 3)
    assert engine.profile is not None
    chosen = engine.profile
    assert (chosen.quantization, chosen.dtype, chosen.device) == ("nf4", "float32", "cpu")


@pytest.mark.parametrize(
    ("given", "prompt"),
    [(b"two\nlines\n", "two\nlines"), (b"bad \xff", "bad \ufffd"), (b"", ""), (b"a\n\n", "a\n")],
)
def test_a_dash_reads_standard_input(
    engine: FakeEngine, pair: str, monkeypatch: pytest.MonkeyPatch, given: bytes, prompt: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert cli.run(["reply", "--profile", pair, "--prompt", "-"]) == 0
    assert engine.request is not None
    assert engine.request.messages[-1].text == prompt


def test_a_pair_from_the_command_line(engine: FakeEngine, pair: str) -> None:
    cli.run(["reply", "--before", "org/a", "--after", "org/b", "--prompt", "Hi"])
    assert engine.profile is not None
    assert (engine.profile.before, engine.profile.after) == (
        Side(model="org/a"),
        Side(model="org/b"),
    )
    cli.run(["reply", "--profile", pair, "--adapter", "org/lora", "--prompt", "Hi"])
    assert engine.profile.after == Side(model="org/chat", adapter="org/lora")


def test_an_adapter_alone_names_its_model_itself(
    engine: FakeEngine, tmp_path: Path, capsys: Capture
) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"base_model_name_or_path": "org/chat"}))
    (tmp_path / "adapter_model.safetensors").touch()
    command = ["reply", "--adapter", str(tmp_path), "--prompt", "Hi"]
    assert cli.run(command) == 0
    assert engine.profile is not None
    assert engine.profile.before == Side(model="org/chat")
    assert engine.profile.after == Side(model="org/chat", adapter=str(tmp_path))
    config.write_text("{}")
    assert cli.run(command) == 3
    assert "does not say which model" in capsys.readouterr().err


def test_pipes_get_the_raw_text_and_terminals_the_visible(
    engine: FakeEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.says = [b"\x1b]0;x\x07", b" \xe2\x80\xaeb"]
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    cli.run(command)
    assert capsys.readouterr().out == "\x1b]0;x\x07 \u202eb\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.run(command)
    assert capsys.readouterr().out == "␛]0;x␇ ‹RLO›b\n"


def test_json_on_a_terminal_is_escaped_and_still_the_same(
    engine: FakeEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.says = [b"\xc2\x9b31m \xf3\xa0\x81\x81"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--jsonl"])
    out = capsys.readouterr().out
    steps = [r for r in map(from_line, out.splitlines()) if isinstance(r, Step)]
    assert steps[0].text == "\x9b31m \U000e0041"
    assert "\x9b" not in out
    assert "\U000e0041" not in out


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("length", 0, "α +2: stopped at the limit of 2 tokens"),
        ("context", 0, "α +2: stopped because the context is used up"),
        ("error", 1, "α +2: ended by an error: no luck"),
        ("cancelled", 130, "α +2: cancelled after 2 tokens"),
    ],
)
def test_an_ending_that_is_none_is_said(
    engine: FakeEngine, pair: str, capsys: Capture, reason: FinishReason, code: int, said: str
) -> None:
    engine.reason = reason
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == code
    assert said in capsys.readouterr().err


def test_ctrl_c_ends_every_lane_properly(engine: FakeEngine, pair: str, capsys: Capture) -> None:
    before = signal.getsignal(signal.SIGINT)
    engine.between = lambda index: signal.raise_signal(signal.SIGINT)
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--jsonl"]) == 130
    last = from_line(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(last, Finish)
    assert last.reason == "cancelled"
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_loading(pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_open_engine", interrupted)
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 130
    assert "Traceback" not in capsys.readouterr().err


# --- errors ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reply"], 2, "Missing option '--prompt'"),
        (["bogus"], 2, "No such command 'bogus'"),
        (["reply", "--prompt", "x", "--alpha", "nan"], 2, "--alpha: expected a finite number"),
        (
            ["reply", "--prompt", "x", "--alpha", "many"],
            2,
            "'--alpha': Input should be a valid number",
        ),
        (["reply", "--profile", "P", "--prompt", "x", "--top-p", "3"], 2, "--top-p: expected"),
        (["reply", "--profile", "P", "--prompt", "x", "--device", "gpu"], 2, "auto, cpu, cuda"),
        (["reply", "--before", "a", "--prompt", "x"], 2, "--after: a pair has two sides"),
        (["reply", "--top", "-1", "--prompt", "x"], 2, "--top: expected 0 or more"),
        (["reply", "--raw", "--system", "x", "--prompt", "x"], 2, "--system: --raw leaves"),
        (["--alpha", "2", "reply", "--prompt", "x"], 2, "--alpha: give it after reply"),
        (["reply", "--profile", "nope", "--prompt", "x"], 3, "There is no profile 'nope'"),
        (["reply", "--profile", "x.yaml", "--prompt", "x"], 3, "x.yaml does not exist"),
        (["--resume", "none.jsonl"], 6, "Cannot read the transcript none.jsonl"),
        (["export", "none.jsonl", "--to", "md"], 6, "Cannot read the transcript none.jsonl"),
        (["export", "none.jsonl", "--to", "pdf"], 2, "--to: expected one of html, md, txt, json"),
    ],
)
def test_mistakes_are_one_message(
    pair: str, capsys: Capture, arguments: list[str], code: int, said: str
) -> None:
    arguments = [pair if word == "P" else word for word in arguments]
    assert cli.run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err


def test_an_error_of_the_core_has_its_message_remedy_and_code(
    pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*_: object) -> None:
        raise ContextError("The context is\x1b used up.", "Say less.")

    monkeypatch.setattr(cli, "_open_engine", refuse)
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    assert cli.run(command) == 5
    assert capsys.readouterr().err == "error: The context is␛ used up. Say less.\n"
    with pytest.raises(LogitAmpError):
        cli.run([*command, "--debug"])


def test_a_surprise_has_no_traceback_without_debug(
    pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(cli, "_open_engine", fail)
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    assert cli.run(command) == 1
    assert "error: RuntimeError: surprise" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        cli.run([*command, "--debug"])


# --- the chat -------------------------------------------------------------------


@pytest.fixture
def chats(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the chat was opened with."""
    calls: list[dict[str, Any]] = []

    def run_chat(profile: Profile, **given: Any) -> int:
        calls.append({"profile": profile, **given})
        return 0

    monkeypatch.setattr("tui.app.run_chat", run_chat)
    return calls


def test_the_chat_gets_profile_and_folder(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path
) -> None:
    flags = ["--alpha", "-2", "--seed", "4", "--system", "Hm", "--transcripts", str(tmp_path)]
    assert cli.run(["--profile", pair, *flags]) == 0
    (call,) = chats
    profile = call["profile"]
    assert (profile.alpha, profile.sampling.seed, profile.system) == (-2.0, 4, "Hm")
    assert call["transcripts"] == tmp_path
    assert call["resume"] is None


def test_a_chat_is_resumed_with_the_pair_it_was_made_with(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path, engine: FakeEngine, capsys: Capture
) -> None:
    saved = tmp_path / "saved.jsonl"
    made = {"name": "x", "before": {"model": "org/a"}, "after": {"model": "org/b"}}
    session = samples.session()
    session.profile.clear()
    session.profile.update(made, trust_remote_code=True, path="/x.yaml")
    saved.write_text(to_line(session) + "\n")
    assert cli.run(["--resume", str(saved)]) == 0
    assert chats[0]["profile"].after == Side(model="org/b")
    assert chats[0]["profile"].trust_remote_code is False
    assert chats[0]["resume"] == saved
    cli.run(["--resume", str(saved), "--profile", pair])
    assert chats[1]["profile"].after == Side(model="org/chat")


def test_a_chat_that_ended_before_its_models_were_loaded_asks_for_them(
    chats: list[dict[str, Any]], pair: str, tmp_path: Path, capsys: Capture
) -> None:
    saved = tmp_path / "saved.jsonl"
    saved.write_text('{"type":"message","id":"m","parent":null,"role":"user","text":"hi"}\n')
    assert cli.run(["--resume", str(saved)]) == 2
    assert "does not tell which models it was with. Name them: --profile" in capsys.readouterr().err
    assert cli.run(["--resume", str(saved), "--profile", pair]) == 0
    assert len(chats) == 1


# --- profiles, export, version --------------------------------------------------


def test_the_table_of_profiles(capsys: Capture, tmp_path: Path) -> None:
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "logit-amp-chat" / "profiles"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        "title: '[b]\\x1bmine'\nbefore: {model: a/b}\nafter: {model: a/c}\n"
    )
    (own / "bad.yaml").write_text("before: 3\n")
    assert cli.run(["profiles"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "TITLE", "MEMORY", "DOWNLOAD", "GATED", "FITS"]
    (llama,) = [line for line in lines if line.startswith("llama-3.1-8b ")]
    assert llama.split()[-6:-1] == ["14.0", "GB", "32.1", "GB", "gated"]
    (mine,) = [line for line in lines if line.startswith("mine ")]
    assert mine.split()[-3:] == ["?", "?", "unknown"]
    assert "bad cannot be used: " in err
    assert "line 1, key before" in err


def test_the_list_of_profiles_as_json(capsys: Capture) -> None:
    assert cli.run(["profiles", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    llama = entries["llama-3.1-8b"]
    assert llama["after"]["model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert llama["needs"]["gated"] is True
    assert llama["fits"] in (True, False, None)


def test_export_to_stdout_and_to_a_file(capsys: Capture, tmp_path: Path) -> None:
    saved, out = tmp_path / "saved.jsonl", tmp_path / "chat.md"
    saved.write_text("".join(to_line(record) + "\n" for record in samples.conversation()))
    assert cli.run(["export", str(saved), "--to", "md"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# A pair\n")
    assert cli.run(["export", str(saved), "--to", "md", "--out", str(out)]) == 0
    assert capsys.readouterr() == ("", f"Written to {out}\n")
    assert out.read_text() == printed
    assert cli.run(["export", str(saved), "--to", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["records"]) == len(samples.conversation())


def test_the_version(capsys: Capture) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("logit-amp-chat 0.")


# --- as a process ---------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["reply", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from tui.cli import run; code = run(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_help_tells_the_exit_codes(capsys: Capture) -> None:
    cli.run(["--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for code in ("0 done", "2 wrong usage", "3 profile", "4 pair", "5 context", "6 transcript"):
        assert code in help_text


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    saved = tmp_path / "saved.jsonl"
    note = to_line(samples.message(text="x" * 100_000)) + "\n"
    saved.write_text(to_line(samples.session()) + "\n" + note * 20)
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "export", str(saved), "--to", "txt"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


# --- the real engine ------------------------------------------------------------


def test_lanes_are_the_greedy_tokens_of_transformers(
    tiny_pair: Callable[..., Profile], tmp_path: Path, capsys: Capture
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList
    from transformers.generation import UnbatchedClassifierFreeGuidanceLogitsProcessor

    profile = tiny_pair()
    path = tmp_path / "tiny.yaml"
    sides = {"before": profile.before.model, "after": profile.after.model}
    data = {side: {"model": model} for side, model in sides.items()}
    path.write_text(yaml.safe_dump({**data, "dtype": "float32", "device": "cpu"}))
    alphas = (-1.0, 0.0, 2.0)
    command = ["reply", "--profile", str(path), "--prompt", "Tell me about otters"]
    command += [word for alpha in alphas for word in ("--alpha", str(alpha))]
    command += ["--temperature", "0", "--plausibility", "0", "--max-new-tokens", "24", "--jsonl"]
    assert cli.run(command) == 0
    records = [from_line(line) for line in capsys.readouterr().out.splitlines()]
    replies = {r.id: r for r in records if isinstance(r, Reply)}
    assert [reply.alpha for reply in replies.values()] == list(alphas)

    before = AutoModelForCausalLM.from_pretrained(sides["before"], dtype=torch.float32)
    after = AutoModelForCausalLM.from_pretrained(sides["after"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(sides["after"])
    for reply in replies.values():
        tokens = [r.token for r in records if isinstance(r, Step) and r.reply == reply.id]
        prompt = torch.tensor([reply.prompt.after])
        guided = UnbatchedClassifierFreeGuidanceLogitsProcessor(
            1 + reply.alpha, before, unconditional_ids=prompt
        )
        expected = after.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=24,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=0,
            logits_processor=LogitsProcessorList([guided] if reply.alpha else []),
        )[0, prompt.shape[1] :].tolist()
        assert tokens == expected, reply.alpha
