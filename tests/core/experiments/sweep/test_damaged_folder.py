"""A folder with damaged lines is counted without them, and goes on where they were."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logit_amp_chat.core.errors import LogitAmpError, TranscriptError, UsageError
from logit_amp_chat.core.experiments.sweep.counted import counted
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.patterns import Pattern
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from tests.core.experiments.sweep.toy_engine import ToyEngine
from tests.core.experiments.sweep.toy_sweep import PROMPTS, toy_sweep

SETTINGS = checked(SweepSettings(alphas=(-1.0, 0.0, 1.0), samples=4))
FURTHER = checked(SweepSettings(alphas=(-1.0, 0.0, 1.0), samples=4, further=(0.5,)))
REPLIES = 2 * 3 * 4


def damage(path: Path, kind: str, change: Callable[[dict[str, Any]], None] | None) -> None:
    """Change the last line of this kind, or cut it off in its middle (None)."""
    lines = (path / FILE).read_text().splitlines()
    place = max(n for n, line in enumerate(lines) if json.loads(line)["type"] == kind)
    if change is None:
        lines[place] = lines[place][: len(lines[place]) // 2]
    else:
        fields = json.loads(lines[place])
        change(fields)
        lines[place] = json.dumps(fields)
    (path / FILE).write_text("\n".join([*lines, ""]))


def replies_counted(folder: SweepFolder) -> int:
    return len(counted(folder, [Pattern("habit", "lighthouse")]).replies)


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.pop(name)


def with_(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update(values)


@pytest.mark.parametrize(
    "change",
    [
        None,
        without("tokens"),
        with_(alpha=7.5),
        with_(prompt="p77"),
        with_(lengths=[1]),
        with_(log_q=[[0.0], [0.0]]),
        with_(log_q=[["NaN", 0.0, 0.0], [0.0, 0.0, 0.0]]),
        with_(log_q=[["-Infinity"] * 3, [0.0, 0.0, 0.0]]),
    ],
)
def test_a_damaged_reply_is_left_out_and_sampled_again(
    tmp_path: Path, change: Callable[[dict[str, Any]], None] | None
) -> None:
    whole = list(toy_sweep(tmp_path, SETTINGS).replies())
    damage(tmp_path, "sampled", change)
    folder = SweepFolder.read(tmp_path)
    assert (folder.contents.damaged, replies_counted(folder)) == (1, REPLIES - 1)
    again = list(toy_sweep(tmp_path, SETTINGS).replies())
    assert sorted(again, key=lambda one: one.id) == sorted(whole, key=lambda one: one.id)


def test_a_damaged_plan_is_known_from_the_replies(tmp_path: Path) -> None:
    toy_sweep(tmp_path, SETTINGS)
    damage(tmp_path, "plan", None)
    folder = SweepFolder.read(tmp_path)
    assert (folder.settings.alphas, folder.settings.samples) == ((-1.0, 0.0, 1.0), 4)
    assert replies_counted(folder) == REPLIES


def test_a_damaged_prompt_comes_back_when_it_is_given_again(tmp_path: Path) -> None:
    toy_sweep(tmp_path, SETTINGS)
    damage(tmp_path, "prompt", None)
    assert replies_counted(SweepFolder.read(tmp_path)) == REPLIES // 2
    folder = toy_sweep(tmp_path, SETTINGS)
    assert folder.prompts == PROMPTS
    assert replies_counted(folder) == REPLIES


def test_damaged_prompt_ids_are_said_and_read_with_one_more_sample(tmp_path: Path) -> None:
    toy_sweep(tmp_path, SETTINGS)
    damage(tmp_path, "prompt-ids", None)
    with pytest.raises(LogitAmpError, match="ids of prompt p2 are damaged"):
        toy_sweep(tmp_path, FURTHER)
    more = checked(SweepSettings(alphas=FURTHER.alphas, samples=5, further=FURTHER.further))
    folder = toy_sweep(tmp_path, more)
    assert all(set(reply.grid) == {-1.0, 0.0, 0.5, 1.0} for reply in folder.replies())


@pytest.mark.parametrize("bytes_left", [0, 40, 0.5, 1.0])
def test_a_sweep_that_was_killed_while_it_began_begins_again(
    tmp_path: Path, bytes_left: float
) -> None:
    engine, path = ToyEngine(), tmp_path / FILE
    SweepFolder.begin(tmp_path, engine.opened.session, SETTINGS, PROMPTS).close()
    header, prompt, *_ = path.read_bytes().splitlines(keepends=True)
    size = len(header) + bytes_left * len(prompt) if isinstance(bytes_left, float) else bytes_left
    path.write_bytes((header + prompt)[: int(size)])
    assert SweepFolder.there(tmp_path) is None
    folder = toy_sweep(tmp_path, SETTINGS, engine)
    assert folder.prompts == PROMPTS
    assert replies_counted(folder) == REPLIES


def test_more_prompts_than_a_whole_sweep_has_are_refused(tmp_path: Path) -> None:
    toy_sweep(tmp_path, SETTINGS, prompts=PROMPTS[:1])
    with pytest.raises(UsageError, match="over other prompts"):
        toy_sweep(tmp_path, SETTINGS)


def test_replies_at_alphas_that_another_program_adds_meanwhile_are_not_counted_yet(
    tmp_path: Path,
) -> None:
    folder = toy_sweep(tmp_path, SETTINGS)
    toy_sweep(tmp_path, checked(SweepSettings(alphas=(3.0,), samples=4)))
    assert replies_counted(folder) == REPLIES


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    toy_sweep(tmp_path, SETTINGS)
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"version": 1', '"version": 2', 1))
    with pytest.raises(UsageError, match="header"):
        SweepFolder.read(tmp_path)


def test_a_sweep_of_only_damaged_replies_has_none(tmp_path: Path) -> None:
    engine = ToyEngine(stop_after=1)
    begun = SweepFolder.begin(tmp_path, engine.opened.session, SETTINGS, PROMPTS)
    with contextlib.closing(begun) as folder, contextlib.suppress(KeyboardInterrupt):
        list(run(engine, Sweep(folder)))
    damage(tmp_path, "sampled", without("text"))
    folder = SweepFolder.read(tmp_path)
    assert (replies_counted(folder), folder.contents.there) == (0, set())


def test_a_full_disk_is_said_with_what_to_do_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ToyEngine()
    folder = SweepFolder.begin(tmp_path, engine.opened.session, SETTINGS, PROMPTS)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("logit_amp_chat.core.transcripts.writer.os.write", full)
        with pytest.raises(TranscriptError) as sampling:
            list(run(engine, Sweep(folder)))
        with pytest.raises(TranscriptError) as closing:
            folder.close()
    for failed in (sampling, closing):
        assert "No space left" in failed.value.message
        assert failed.value.remedy == "Choose another folder with --out."
