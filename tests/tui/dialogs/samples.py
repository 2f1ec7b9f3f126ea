"""Profiles and transcripts for the dialogs to list."""

from __future__ import annotations

from pathlib import Path

from logit_amp_chat.core.config.profile import BrokenProfile, Needs, Profile, Side
from logit_amp_chat.core.errors import ProfileError
from logit_amp_chat.core.records import Message, Record, Session, SideInfo
from logit_amp_chat.core.transcripts.jsonl import to_line


def profile(
    name: str, title: str = "", memory_gb: float | None = None, gated: bool = False
) -> Profile:
    return Profile(
        name=name,
        title=title,
        before=Side(model=f"lab/{name}"),
        after=Side(model=f"lab/{name}-instruct"),
        needs=Needs(memory_gb=memory_gb, gated=gated),
    )


def broken_profile(name: str) -> BrokenProfile:
    error = ProfileError(f"{name}.yaml, line 3: aplha [/x] is no key.", "Did you mean alpha?")
    return BrokenProfile(name, Path(f"{name}.yaml"), error)


def save_chat(path: Path, *messages: str, profile: str = "demo") -> None:
    """A transcript with a session and these user messages."""
    side = SideInfo("model", None, None, "float32", "none")
    session = Session(
        id="s",
        time="2026-11-01T14:02:00Z",
        profile={"name": profile},
        before=side,
        after=side,
        template_hash=None,
        versions={},
        device="cpu",
        context=512,
    )
    records: list[Record] = [session]
    for n, text in enumerate(messages):
        parent = f"m{n - 1}" if n else None
        records.append(Message(id=f"m{n}", parent=parent, role="user", text=text))
    path.write_text("".join(to_line(record) + "\n" for record in records))
