"""A sweep samples what its folder lacks, keeps what it saw, and goes on where it stopped."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.sweep.folder import FILE, SweepFolder
from logit_amp_chat.core.experiments.sweep.plan import seed_of
from logit_amp_chat.core.experiments.sweep.prompts import prompts_of, typed
from logit_amp_chat.core.experiments.sweep.settings import SweepSettings, checked
from logit_amp_chat.core.experiments.sweep.sweep import Sweep, run
from logit_amp_chat.core.experiments.sweep.sweep_reply import SweepReply
from logit_amp_chat.core.protocol import Drain
from logit_amp_chat.core.samples import RescoreRequest, SampleRequest
from logit_amp_chat.core.sampling import Sampling
from tests.core.experiments.sweep.toy_engine import ToyEngine

PROMPTS = prompts_of(typed(["Tell me about owls.", "What do owls do?"])).prompts
SETTINGS = checked(SweepSettings(alphas=(0.0, 1.0), samples=3))


def begin(
    path: Path, settings: SweepSettings = SETTINGS, engine: ToyEngine | None = None
) -> SweepFolder:
    session = (engine or ToyEngine()).opened.session
    return SweepFolder.begin(path, session, settings, PROMPTS)


def swept(
    path: Path, settings: SweepSettings = SETTINGS, engine: ToyEngine | None = None
) -> list[SweepReply]:
    """Run to the end; returns all replies that the folder has."""
    engine = engine or ToyEngine()
    with contextlib.closing(begin(path, settings, engine)) as folder:
        for _ in run(engine, Sweep(folder)):
            pass
    return list(SweepFolder.read(path).replies())


def test_every_prompt_has_its_samples_at_every_alpha(tmp_path: Path) -> None:
    replies = swept(tmp_path / "s")
    asked = {(r.prompt, r.alpha, r.n) for r in replies}
    assert asked == {(p, a, n) for p in ("p1", "p2") for a in (0.0, 1.0) for n in range(3)}
    assert len({r.seed for r in replies}) == len(replies)


def test_alpha_zero_is_always_sampled() -> None:
    assert checked(SweepSettings(alphas=(2.0, -1.0))).alphas == (-1.0, 0.0, 2.0)


def test_a_sweep_repeats(tmp_path: Path) -> None:
    first, second = swept(tmp_path / "a"), swept(tmp_path / "b")
    assert first == second


def test_coupled_samples_share_their_seed_over_alpha(tmp_path: Path) -> None:
    replies = swept(tmp_path / "s", replace(SETTINGS, coupled=True))
    seeds = {
        (r.prompt, r.n): {s.seed for s in replies if (s.prompt, s.n) == (r.prompt, r.n)}
        for r in replies
    }
    assert all(len(found) == 1 for found in seeds.values())
    assert len({seed for (seed,) in seeds.values()}) == 6


def test_seeds_differ_in_everything_they_are_made_of() -> None:
    ways = [
        (0, "k", 1.0, 0),
        (1, "k", 1.0, 0),
        (0, "l", 1.0, 0),
        (0, "k", 2.0, 0),
        (0, "k", 1.0, 1),
    ]
    assert len({seed_of(*way) for way in (*ways, (0, "k", None, 0))}) == 6


def test_what_is_there_is_not_sampled_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "s", engine=ToyEngine(stop_after=5))
    engine = ToyEngine()
    replies = swept(tmp_path / "s", engine=engine)
    (request,) = engine.asked
    assert isinstance(request, SampleRequest)
    assert len(request.draws) == 12 - 5
    assert sorted(replies, key=lambda r: r.id) == sorted(swept(tmp_path / "t"), key=lambda r: r.id)


def test_what_goes_on_has_the_prompt_ids_that_it_began_with(tmp_path: Path) -> None:
    """Another version, or another template, might render them otherwise."""
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "s", engine=ToyEngine(stop_after=5))
    engine = ToyEngine()
    swept(tmp_path / "s", engine=engine)
    (request,) = engine.asked
    assert isinstance(request, SampleRequest)
    contents = SweepFolder.read(tmp_path / "s").contents
    assert contents.ids
    assert [prompt.ids for prompt in request.prompts] == [contents.ids.get(p.id) for p in PROMPTS]


def test_replies_are_on_the_disk_as_they_come(tmp_path: Path) -> None:
    folder = begin(tmp_path / "s")
    events = run(ToyEngine(), Sweep(folder))
    shown = next(event for event in events if isinstance(event, SweepReply))
    assert list(SweepFolder.read(tmp_path / "s").replies()) == [shown]
    folder.close()


def test_a_line_that_was_cut_off_costs_its_reply_alone(tmp_path: Path) -> None:
    whole = swept(tmp_path / "s")
    path = tmp_path / "s" / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][: len(lines[-2]) // 2])
    folder = SweepFolder.read(tmp_path / "s")
    assert (folder.contents.damaged, len(list(folder.replies()))) == (1, len(whole) - 1)
    assert not folder.contents.settled
    assert sorted(swept(tmp_path / "s"), key=lambda r: r.id) == sorted(whole, key=lambda r: r.id)


def test_a_sweep_is_settled_once_what_was_begun_has_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "s", engine=ToyEngine(stop_after=5))
    assert not SweepFolder.read(tmp_path / "s").contents.settled
    swept(tmp_path / "s")
    assert SweepFolder.read(tmp_path / "s").contents.settled


def test_one_that_was_killed_after_its_last_reply_is_settled_when_it_is_run_again(
    tmp_path: Path,
) -> None:
    swept(tmp_path / "s")
    path = tmp_path / "s" / FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert not SweepFolder.read(tmp_path / "s").contents.settled
    engine = ToyEngine()
    assert len(swept(tmp_path / "s", engine=engine)) == 12
    assert engine.asked == []
    assert SweepFolder.read(tmp_path / "s").contents.settled


def test_stop_begins_nothing_more_and_settles(tmp_path: Path) -> None:
    engine = ToyEngine()
    folder = begin(tmp_path / "s", engine=engine)
    sweep = Sweep(folder)
    for event in run(engine, sweep):
        if isinstance(event, SweepReply):
            engine.apply(Drain())
            sweep.begin_no_more()
    assert len(list(folder.replies())) == 1
    assert folder.contents.settled
    assert not sweep.is_complete
    folder.close()


def test_alphas_that_are_added_are_sampled_and_read_in_old_replies(tmp_path: Path) -> None:
    swept(tmp_path / "s")
    engine = ToyEngine()
    replies = swept(tmp_path / "s", replace(SETTINGS, alphas=(0.0, 2.0)), engine)
    assert {r.alpha for r in replies} == {0.0, 1.0, 2.0}
    assert [type(request) for request in engine.asked] == [SampleRequest, RescoreRequest]
    expected = swept(tmp_path / "t", replace(SETTINGS, alphas=(0.0, 1.0, 2.0)))
    assert {r.id: dict(zip(r.grid, r.log_q[0], strict=True)) for r in replies} == {
        r.id: dict(zip(r.grid, r.log_q[0], strict=True)) for r in expected
    }
    again = ToyEngine()
    swept(tmp_path / "s", replace(SETTINGS, alphas=(0.0, 2.0)), again)
    assert again.asked == []


def test_plain_replies_are_more_at_alpha_zero_and_may_be_added(tmp_path: Path) -> None:
    swept(tmp_path / "s")
    replies = swept(tmp_path / "s", replace(SETTINGS, plain=7))
    numbers = {a: sorted(r.n for r in replies if (r.prompt, r.alpha) == ("p1", a)) for a in (0, 1)}
    assert numbers == {0: list(range(7)), 1: list(range(3))}
    assert SETTINGS.replies_to(2) == 12
    assert replace(SETTINGS, plain=7).replies_to(2) == len(replies) == 20
    straight = swept(tmp_path / "t", replace(SETTINGS, plain=7))
    assert sorted(replies, key=lambda r: r.id) == sorted(straight, key=lambda r: r.id)


def test_what_was_sampled_is_not_read_again_where_nothing_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(begin(tmp_path / "s")) as folder:
        monkeypatch.setattr(folder, "replies", lambda: pytest.fail("the file was read again"))
        assert sum(isinstance(one, SweepReply) for one in run(ToyEngine(), Sweep(folder))) == 12


def test_samples_may_be_added(tmp_path: Path) -> None:
    swept(tmp_path / "s")
    assert len(swept(tmp_path / "s", replace(SETTINGS, samples=5))) == 2 * 2 * 5


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (replace(SETTINGS, sampling=Sampling(temperature=0.7)), "sampling.temperature"),
        (replace(SETTINGS, coupled=True), "coupled was False, now it is True"),
        (replace(SETTINGS, amplify_first=4), "amplify_first was None, now it is 4"),
    ],
)
def test_changed_settings_are_refused_with_what_differs(
    tmp_path: Path, changed: SweepSettings, named: str
) -> None:
    swept(tmp_path / "s")
    before = (tmp_path / "s" / FILE).read_bytes()
    with pytest.raises(UsageError, match=named):
        begin(tmp_path / "s", changed)
    assert (tmp_path / "s" / FILE).read_bytes() == before


def test_other_prompts_are_refused(tmp_path: Path) -> None:
    swept(tmp_path / "s")
    other = prompts_of(typed(["Tell me about owls.", "Hello."])).prompts
    with pytest.raises(UsageError, match="number 2 is the first that differs"):
        SweepFolder.begin(tmp_path / "s", ToyEngine().opened.session, SETTINGS, other)


def test_two_programs_do_not_write_one_sweep(tmp_path: Path) -> None:
    folder = begin(tmp_path / "s")
    with pytest.raises(LogitAmpError, match="another"):
        begin(tmp_path / "s")
    folder.close()


def test_a_folder_of_something_else_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sweep"):
        SweepFolder.read(tmp_path)
    (tmp_path / FILE).write_text("something else\n")
    with pytest.raises(UsageError, match="something else in it"):
        begin(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        SweepSettings(samples=0),
        SweepSettings(sampling=Sampling(temperature=0.0)),
        SweepSettings(amplify_first=0),
        SweepSettings(alphas=(float("nan"),)),
        SweepSettings(target=0.3, sampling=Sampling(temperature=1.0, top_p=0.9)),
        SweepSettings(target=0.3, amplify_first=2, sampling=Sampling(temperature=1.0, top_p=1.0)),
    ],
)
def test_what_cannot_be_measured_is_refused(settings: SweepSettings) -> None:
    with pytest.raises(UsageError):
        checked(settings)
