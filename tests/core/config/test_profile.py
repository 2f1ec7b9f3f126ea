"""Profiles: what a file may say, where it is found, and what is said when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logit_amp_chat.core.config import profile as module
from logit_amp_chat.core.config.named_pair import pair_profile
from logit_amp_chat.core.config.profile import (
    BrokenProfile,
    Labels,
    Needs,
    Profile,
    Side,
    list_profiles,
    load_profile,
)
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.system.machine import Machine

Write = Callable[..., str]

PAIR = "before: {model: org/base}\nafter: {model: org/chat}\n"
FULL = """\
title: Llama 3.1 8B, base to instruct
before: {model: meta-llama/Llama-3.1-8B, revision: abc, system: Go on.}
after:  {model: meta-llama/Llama-3.1-8B-Instruct, adapter: org/lora, subfolder: last}
labels: {before: base, after: instruct}
quantization: nf4        # nf4 | int8 | none
dtype: bfloat16          # auto | bfloat16 | float16 | float32
device: cuda:0           # auto | cpu | cuda | cuda:0
system: null
alpha: 1e-1
presets: [-1, 0.5, 3]
sampling: {temperature: 1, top_p: 0.9, top_k: 0, min_p: 0.0, plausibility: 0.01, seed: 3}
trust_remote_code: true
needs: {memory_gb: 12.5, gated: true}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a profile and answers its path; no shipped or user profiles are in the way."""
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path / "shipped")
    monkeypatch.setattr(module, "user_folder", lambda: tmp_path / "user")

    def write_profile(text: str | bytes, name: str = "p.yaml") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write_profile


# --- what a file may say --------------------------------------------------------


def test_two_models_are_enough(write: Write) -> None:
    path = write(PAIR)
    assert load_profile(path) == Profile(
        title="p",  # the file's name
        before=Side(model="org/base"),
        after=Side(model="org/chat"),
        labels=Labels(before="before", after="after"),
        quantization="none",
        dtype="bfloat16",
        device="auto",
        system=None,
        alpha=0.0,
        sampling=Sampling(
            temperature=0.7,
            top_p=0.9,
            top_k=0,
            min_p=0.0,
            plausibility=0.01,
            max_new_tokens=512,
            seed=0,
        ),
        trust_remote_code=False,
        needs=None,
        name=path,
        path=Path(path),
    )


def test_everything_can_be_said(write: Write) -> None:
    profile = load_profile(write(FULL))
    assert profile.before == Side(model="meta-llama/Llama-3.1-8B", revision="abc", system="Go on.")
    assert profile.after.subfolder == "last"
    assert profile.alpha == 0.1
    assert profile.presets == (-1, 0.5, 3)
    assert profile.sampling == Sampling(temperature=1, seed=3)
    assert profile.needs == Needs(memory_gb=12.5, gated=True)


@pytest.mark.parametrize("alpha", [-2, 0, 64, 1e6, -1.5])
def test_any_finite_alpha(write: Write, alpha: float) -> None:
    assert load_profile(write(f"{PAIR}alpha: {alpha}\n")).alpha == alpha


def test_prompts_have_variables_and_a_date(write: Write) -> None:
    variables = "{enable_thinking: false, effort: low, day: 2024-07-26, n: 3, t: 0.5, none: null}"
    profile = load_profile(write(f"{PAIR}template: {variables}\ndate: 2024-07-26\n"))
    assert profile.template == {
        "enable_thinking": False,
        "effort": "low",
        "day": "2024-07-26",
        "n": 3,
        "t": 0.5,
        "none": None,
    }
    assert profile.date == "2024-07-26"
    again = Profile.model_validate_json(profile.model_dump_json())
    assert again == profile  # as a session records it


# --- what is said when it is wrong ----------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "key", "expected"),
    [
        ("", 1, "", "a mapping with the keys before and after, found nothing"),
        ("- a\n", 1, "", "a mapping with the keys before and after, found a list"),
        (
            "before: {model: a/b}\n",
            1,
            "after",
            "missing; expected a side, or the stages of a chain",
        ),
        ("before: org/base\nafter: {model: a/b}\n", 1, "before", "expected a side"),
        ("before: {}\nafter: {model: a/b}\n", 1, "before.model", "missing; expected a Hub id"),
        (PAIR + "alhpa: 2\n", 3, "alhpa", "unknown key; expected one of title, before, after"),
        (PAIR + "alhpa: 2\n", 3, "alhpa", "did you mean alpha?"),
        (PAIR + "sampling:\n  top_p: 1\n  topk: 1\n", 5, "sampling.topk", "did you mean top_k?"),
        (PAIR + "alpha: lots\n", 3, "alpha", 'expected a finite number, found "lots"'),
        (PAIR + "alpha: .nan\n", 3, "alpha", "expected a finite number, found nan"),
        (PAIR + "alpha: true\n", 3, "alpha", "expected a finite number, found true"),
        (PAIR + "presets: []\n", 3, "presets", "a list of numbers such as [-1, 0, 0.5"),
        (PAIR + "presets: [1, two]\n", 3, "presets.1", 'found "two"'),
        (PAIR + "quantization: int4\n", 3, "quantization", "expected 'nf4', 'int8' or 'none'"),
        (PAIR + "device: gpu\n", 3, "device", "expected auto, cpu, cuda or cuda:N"),
        (PAIR + "labels: {before: no}\n", 3, "labels.before", "a valid string, found false"),
        (PAIR + "sampling:\n  top_p: 2\n", 4, "sampling.top_p", "a number less than or equal to 1"),
        (PAIR + "name: x\n", 3, "name", "unknown key"),
        (PAIR + "template: no\n", 3, "template", "a mapping such as {enable_thinking: false}"),
        (PAIR + "template:\n  a b: 1\n", 4, "template.a b", "the name of a template variable"),
        (PAIR + "template: {x: [1]}\n", 3, "template.x", "a text, a number, true, false or null"),
        (PAIR + "template: {x: .inf}\n", 3, "template.x", "expected a finite number"),
        (PAIR + "template: {messages: 1}\n", 3, "template.messages", "of the template's own"),
        (PAIR + "date: today\n", 3, "date", "a date such as 2026-07-26, or 2026-07-26T12:00"),
        (PAIR + "date: 2026-02-30\n", 3, "date", 'found "2026-02-30"'),
        (PAIR + "date: 7\n", 3, "date", "expected a valid string, found 7"),
        (PAIR + "alpha: 1\nalpha: 2\n", 4, "alpha", "the key is there twice"),
        ("before: {model: ./nope}\nafter: {model: a/b}\n", 1, "before.model", "does not exist"),
    ],
)
def test_mistakes_name_line_key_and_expectation(
    write: Write, text: str, line: int, key: str, expected: str
) -> None:
    path = write(text)
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    said = str(caught.value)
    assert said.startswith(f"{path}, line {line}" + (f", key {key}: " if key else ": "))
    assert expected in said
    assert "\n" not in said
    assert "?." not in said


def test_every_mistake_is_said_in_the_order_of_lines(write: Write) -> None:
    path = write("alpha: lots\n" + PAIR + "sampling:\n  topk: 1\n  top_p: 2\n")
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    first, second, third = caught.value.message.split(" Line ")
    assert first == f'{path}, line 1, key alpha: expected a finite number, found "lots".'
    assert second.startswith("5, key sampling.topk: unknown key; expected one of temperature")
    assert second.endswith("did you mean top_k?")
    assert third.startswith("6, key sampling.top_p: expected a number less than")


def test_of_many_mistakes_the_first_five_are_said(write: Write) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(write(PAIR + "".join(f"zzz{n}: 1\n" for n in range(8))))
    said = caught.value.message.split(", key ")[1:]
    assert [line.partition(":")[0] for line in said] == [f"zzz{n}" for n in range(5)]
    assert said[-1].endswith(". And 3 more.")


def test_a_mistyped_key_explains_a_missing_one(write: Write) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(write("before: {modle: a/b}\nafter: {model: a/b}\n"))
    assert "did you mean model?" in caught.value.message
    assert "missing" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("before: {model: a\nafter: 3", "line 2: not readable as YAML"),
        (b"title: x\nbefore: \xff\n", "line 2: not readable as UTF-8"),
        ("a: 1\ntitle: \x07\n", "line 2: not readable as YAML (the character U+0007"),
        ("before: !!python/object:os.system x\n", "line 1: not readable as YAML (the tag"),
        ("title: !!bool maybe\n", "line 1: not readable as YAML (maybe is not what its tag says)"),
        ("? [a]\n: b\n", "a key must be a single word"),
        ("[" * 3000, "nested too deeply"),
        ("before: &a [*a]\n", "nested too deeply"),
        (f"alpha: {'9' * 5000}\n", "line 1"),
        ("before: {model: a/b}\n---\nafter: {model: a/b}\n", "line 2"),
        (b"#" * 1_000_001, "larger than"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_unreadable_files_name_the_line(write: Write, text: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(write(text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_do_not_multiply(write: Write) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]" for i in range(1, 9)]
    with pytest.raises(ProfileError, match="unknown key"):
        load_profile(write("\n".join(lines)))


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_file_is_a_profile_or_one_line(write: Write, data: st.DataObject) -> None:
    text = FULL.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + data.draw(st.binary(max_size=6)) + text[end:]
    path = write(text)
    said = ""
    try:
        load_profile(path)
    except ProfileError as error:
        said = str(error)
    assert said == "" or said.startswith(path)
    assert said == "" or said.isprintable()


# --- where it is found ----------------------------------------------------------


def test_a_name_is_looked_for_among_shipped_and_own(write: Write) -> None:
    write(PAIR + "title: shipped", "shipped/one.yaml")
    write(PAIR + "title: shipped", "shipped/two.yaml")
    write(PAIR + "title: own", "user/two.yml")
    assert (load_profile("one").title, load_profile("two").title) == ("shipped", "own")
    assert load_profile("one").name == "one"


def test_an_unknown_name_gets_the_nearest(write: Write) -> None:
    write(PAIR, "shipped/llama-3.1-8b.yaml")
    with pytest.raises(ProfileError) as caught:
        load_profile("lama-3.1-8b")
    assert "Did you mean llama-3.1-8b?" in caught.value.remedy


def test_a_path_is_taken_as_it_is(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(PAIR, "here.yaml")
    write(PAIR, "plain")
    (tmp_path / "folder").mkdir()
    assert load_profile("here.yaml").path == tmp_path / "here.yaml"
    assert load_profile("plain").path == tmp_path / "plain"
    with pytest.raises(ProfileError, match="does not exist"):
        load_profile("there.yaml")
    with pytest.raises(ProfileError, match="Is a directory"):
        load_profile("./folder")


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody/x", "/root/\0", "nul\0.yaml", "", "\x1b[2J"])
def test_names_that_nothing_can_have(write: Write, name: str) -> None:
    with pytest.raises(ProfileError):
        load_profile(name)


def test_folders_are_seen_from_the_profile(write: Write, tmp_path: Path) -> None:
    (tmp_path / "models" / "before").mkdir(parents=True)
    text = "before: {model: models/before}\nafter: {model: org/chat, adapter: ./models/before}\n"
    profile = load_profile(write(text))
    assert profile.before.model == str(tmp_path / "models" / "before")
    assert profile.after == Side(model="org/chat", adapter=str(tmp_path / "models" / "before"))


def test_the_list_holds_broken_profiles_with_their_error(write: Write) -> None:
    write(PAIR, "shipped/demo.yaml")
    write("before: 3", "user/bad.yaml")
    write(PAIR, "user/good.yaml")
    write("not a profile", "user/notes.txt")
    demo, bad, good = list_profiles()
    assert [demo.name, bad.name, good.name] == ["demo", "bad", "good"]
    assert isinstance(bad, BrokenProfile)
    assert "line 1" in str(bad.error)


# --- without a file -------------------------------------------------------------


def test_a_pair_of_ids() -> None:
    profile = pair_profile("org/base", "org/chat")
    assert profile.before == Side(model="org/base")
    assert profile.after == Side(model="org/chat")
    assert profile.title == "org/base → org/chat"


def test_an_adapter_goes_on_the_model_named() -> None:
    profile = pair_profile(before="org/chat", adapter="org/lora")
    assert profile.before == Side(model="org/chat")
    assert profile.after == Side(model="org/chat", adapter="org/lora")


def test_an_adapter_goes_on_the_after_side_of_a_profile() -> None:
    base = pair_profile("org/base", "org/chat").model_copy(update={"quantization": "nf4"})
    profile = pair_profile(adapter="org/lora", base=base)
    assert profile.before == base.after
    assert profile.after == Side(model="org/chat", adapter="org/lora")
    assert profile.quantization == "nf4"


def test_an_adapter_alone_is_refused() -> None:
    with pytest.raises(ProfileError, match="needs a model") as caught:
        pair_profile(adapter="org/lora")
    assert "--before" in caught.value.remedy


def test_a_model_without_a_name_is_refused() -> None:
    with pytest.raises(ProfileError, match="has no name"):
        pair_profile(before="", after="org/chat")


def test_half_a_pair_is_refused() -> None:
    with pytest.raises(ProfileError, match="after is missing") as caught:
        pair_profile(before="org/base")
    assert caught.value.remedy == "Name both models, or one of them and an adapter."


# --- what this machine can hold -------------------------------------------------


@pytest.mark.parametrize(
    ("device", "gpus", "needs", "fits"),
    [
        ("auto", ("RTX 4090",), 14.0, True),
        ("auto", ("RTX 4090",), 30.0, False),
        ("auto", (), 14.0, False),
        ("auto", (), 3.0, True),
        ("cpu", ("RTX 4090",), 14.0, False),
        ("cuda", (), 1.0, False),
        ("auto", (), None, None),
    ],
)
def test_whether_it_fits(
    device: str, gpus: tuple[str, ...], needs: float | None, fits: bool | None
) -> None:
    machine = Machine(gpus, gpu_memory=24 * 10**9 if gpus else None, ram=8 * 10**9)
    profile = pair_profile("a/b", "a/c").model_copy(
        update={"device": device, "needs": Needs(memory_gb=needs)}
    )
    assert machine.fits(profile) is fits


def test_this_machine_can_be_asked() -> None:
    assert "RAM" in str(Machine.this())
