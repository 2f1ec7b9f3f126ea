"""A short soak of the whole chat: the long one is `python -m tests.benchmarks.soak_app`."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.soak_app import make_profile, soak


def test_the_chat_and_its_engine_go_on_through_many_chats(tmp_path: Path) -> None:
    seen = soak(make_profile(tmp_path), tmp_path / "chats", tokens=2000, seed=1)
    assert seen.tokens >= 2000
    assert seen.done["chats"] >= 2
    assert max(seen.app) < 300e6
    assert len(list((tmp_path / "chats").glob("*.jsonl"))) == 1
