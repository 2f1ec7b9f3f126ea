"""`reply`: lanes, files, pipes and terminals, and what a script reads."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.records import Finish, FinishReason, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.tui.commands import main as cli
from tests.tui.scripted_engine import ScriptedEngine

Capture = pytest.CaptureFixture[str]


def test_one_lane_is_the_text_alone(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "one two\n"
    assert err == "weights: before\nnote: the head is in 16 bit\n"


def test_what_an_engine_notices_while_it_answers_is_said(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    engine.notice = "steps run slower"
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "one two\n"
    assert err.endswith("note: steps run slower\n")


def test_without_alpha_the_profile_decides(engine: ScriptedEngine, pair: str) -> None:
    cli.run(["reply", "--profile", pair, "--prompt", "Hi"])
    assert engine.request is not None
    assert [(lane.name, lane.alpha) for lane in engine.request.lanes] == [("amplified", 2.0)]


def test_several_lanes_come_one_after_the_other(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    alphas = ["--alpha", "-1", "--alpha", "0", "--alpha", "1.5"]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", *alphas]) == 0
    assert capsys.readouterr().out == (
        "── before ──\none two\n\n── after ──\none two\n\n── α +1.5 ──\none two\n"
    )
    assert engine.request is not None
    assert [lane.alpha for lane in engine.request.lanes] == [-1, 0, 1.5]


def test_split_characters_are_joined(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
    engine.says = [b"caf", b"\xc3", b"\xa9", b"\xff"]
    cli.run(["reply", "--profile", pair, "--prompt", "Hi"])
    assert capsys.readouterr().out == "café\ufffd\n"


def test_thinking_goes_to_stderr(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
    engine.says = [b"<", b"think", b">\n", b"Hm", b".\n", b"</think>", b"\n\n", b"It is", b" 4 < 5"]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "It is 4 < 5\n"
    assert err.endswith("note: the head is in 16 bit\nHm.\n\n")


def test_the_blank_between_prompt_and_reply_is_not_printed(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    engine.says = [b" one", b" two"]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0
    assert capsys.readouterr().out == "one two\n"


def test_jsonl_is_a_transcript(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
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


def test_options_reach_the_request(engine: ScriptedEngine, pair: str) -> None:
    given = {
        "--temperature": 0.5,
        "--top-p": 0.8,
        "--top-k": 4,
        "--min-p": 0.1,
        "--plausibility": 0.2,
        "--ends": "after",
        "--repetition-penalty": 1.1,
        "--dry-multiplier": 0.8,
        "--dry-base": 2,
        "--dry-allowed-length": 3,
        "--dry-breakers": r"\n",
        "--penalize": "all",
        "--seed": 9,
        "--max-new-tokens": 7,
        "--top": 3,
        "--begin": "Sure, here",
        "--quantization": "nf4",
        "--dtype": "float32",
        "--vocabulary": "by-id",
        "--device": "cpu",
    }
    flags = [str(word) for item in given.items() for word in item]
    flags += ["--stop", r"\nUser:", "--stop", "a|b"]
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--raw", "--jsonl", *flags]) == 0
    assert engine.request is not None
    assert engine.request.sampling == Sampling(
        temperature=0.5,
        top_p=0.8,
        top_k=4,
        min_p=0.1,
        plausibility=0.2,
        ends="after",
        seed=9,
        max_new_tokens=7,
        stop=("\nUser:", "a|b"),
        repetition_penalty=1.1,
        dry_multiplier=0.8,
        dry_base=2.0,
        dry_allowed_length=3,
        dry_breakers=("\n",),
        penalize="all",
    )
    assert (engine.request.raw, engine.request.top) == (True, 3)
    assert engine.request.begin == "Sure, here"
    assert engine.profile is not None
    chosen = engine.profile
    assert (chosen.quantization, chosen.dtype, chosen.device) == ("nf4", "float32", "cpu")
    assert chosen.vocabulary == "by-id"


@pytest.mark.parametrize(
    ("given", "prompt"),
    [(b"two\nlines\n", "two\nlines"), (b"bad \xff", "bad \ufffd"), (b"a\n\n", "a\n")],
)
def test_a_dash_reads_standard_input(
    engine: ScriptedEngine, pair: str, monkeypatch: pytest.MonkeyPatch, given: bytes, prompt: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert cli.run(["reply", "--profile", pair, "--prompt", "-"]) == 0
    assert engine.request is not None
    assert engine.request.messages[-1].text == prompt


def test_a_pair_from_the_command_line(engine: ScriptedEngine, pair: str) -> None:
    cli.run(["reply", "--before", "org/a", "--after", "org/b", "--prompt", "Hi"])
    assert engine.profile is not None
    assert (engine.profile.before, engine.profile.after) == (
        Side(model="org/a"),
        Side(model="org/b"),
    )
    cli.run(["reply", "--profile", pair, "--adapter", "org/lora", "--prompt", "Hi"])
    assert engine.profile.after == Side(model="org/chat", adapter="org/lora")


def test_an_adapter_alone_names_its_model_itself(
    engine: ScriptedEngine, tmp_path: Path, capsys: Capture
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
    assert "does not name its base model" in capsys.readouterr().err


def test_pipes_get_the_raw_text_and_terminals_the_visible(
    engine: ScriptedEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.says = [b"\x1b]0;x\x07", b" \xe2\x80\xaeb"]
    command = ["reply", "--profile", pair, "--prompt", "Hi"]
    cli.run(command)
    assert capsys.readouterr().out == "\x1b]0;x\x07 \u202eb\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.run(command)
    assert capsys.readouterr().out == "␛]0;x␇ ‹RLO›b\n"


def test_json_on_a_terminal_is_escaped_and_still_the_same(
    engine: ScriptedEngine, pair: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
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
    ("flags", "said"),
    [
        (["--stop", ""], "--stop: expected a text that is not empty, found nothing"),
        (["--repetition-penalty", "0"], "--repetition-penalty: expected a number greater than 0"),
        (["--dry-base", "0.5"], "--dry-base: expected a number greater than or equal to 1"),
        (["--penalize", "before"], "--penalize: expected 'amplified' or 'all', found before"),
    ],
)
def test_what_cannot_be_is_refused(
    engine: ScriptedEngine, pair: str, capsys: Capture, flags: list[str], said: str
) -> None:
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", *flags]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert engine.request is None


def test_a_stop_string_is_never_printed(engine: ScriptedEngine, pair: str, capsys: Capture) -> None:
    """Not even its beginning, before it is known to be one."""
    engine.says = [b"Hi\nUs", b"er: Me"]
    engine.stop = "\nUser:"
    command = ["reply", "--profile", pair, "--prompt", "Hi", "--alpha", "1"]
    assert cli.run([*command, "--stop", r"\nUser:"]) == 0
    out, err = capsys.readouterr()
    assert out == "Hi\n"
    assert r'α +1: ended by the stop string "\nUser:"' in err


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
    engine: ScriptedEngine, pair: str, capsys: Capture, reason: FinishReason, code: int, said: str
) -> None:
    engine.reason = reason
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_every_lane_properly(
    engine: ScriptedEngine, pair: str, capsys: Capture
) -> None:
    before = signal.getsignal(signal.SIGINT)
    engine.between = lambda index: signal.raise_signal(signal.SIGINT)
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi", "--jsonl"]) == 130
    last = from_line(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(last, Finish)
    assert last.reason == "cancelled"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_does_not_end_what_runs_in_the_background(engine: ScriptedEngine, pair: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `reply … &` in a script
    engine.between = lambda index: signal.raise_signal(signal.SIGINT)
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 0


def test_ctrl_c_while_loading(pair: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("logit_amp_chat.tui.commands.engine.open_engine", interrupted)
    assert cli.run(["reply", "--profile", pair, "--prompt", "Hi"]) == 130
    assert "Traceback" not in capsys.readouterr().err


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
