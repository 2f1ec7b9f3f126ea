"""The real app in a real terminal, in which everything that can be text is a stranger's.

    python -m tests.security.hostile_app FOLDER

reads FOLDER/texts.json, goes through every action of the app, and writes the
names of the widgets that were on the screen to FOLDER/seen.json.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.chat.blamed_reply import BlamedReply
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile, Stage
from logit_amp_chat.core.experiments.sources import Source
from logit_amp_chat.core.protocol import Loading
from logit_amp_chat.core.reading import PlainText
from logit_amp_chat.core.records import (
    Candidate,
    Finish,
    Keep,
    Message,
    Name,
    Note,
    Opening,
    Record,
    Role,
    Step,
    Title,
    Unknown,
)
from logit_amp_chat.core.text import clean
from logit_amp_chat.core.transcripts.jsonl import to_line
from logit_amp_chat.tui.app import ChatApp
from logit_amp_chat.tui.chat.screen import ChatScreen
from logit_amp_chat.tui.dialogs.blame import BlameScreen
from logit_amp_chat.tui.dialogs.stages import StagesScreen
from logit_amp_chat.tui.dialogs.text_prompt import LineScreen
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.screen import ReadingScreen
from logit_amp_chat.tui.sweep.screen import SweepScreen
from logit_amp_chat.tui.widgets.text_field import TextField
from tests.core import samples
from tests.tui.chat_driver import Engines, demo_profile

LANES = {"before": -1.0, "after": 0.0, "amplified": 1.0}
# These leave, or do what a test of text has no use for.
SKIPPED = {"quit", "interrupt", "escape", "new_chat", "reload", "suspend", ""}
STEPS = 5


def _step(reply: str, index: int, text: str, rivals: list[str]) -> Step:
    """A step that says `text`; every other one in bytes that are cut in the middle."""
    step = samples.step(index, text, reply=reply)
    if index % 2:
        data = text.encode("utf-8", "surrogatepass")
        step = samples.step(index, text, reply=reply, data=data[: len(data) // 2])
    top = tuple(Candidate(n, rival, -1.0, -2.0, -3.0 - n) for n, rival in enumerate(rivals))
    return dataclasses.replace(step, top=top)


def _opening(parent: str, texts: list[str]) -> Opening:
    """What may follow two of the texts: all of them."""
    top = tuple(Candidate(i, text, -2.0 - i, -2.0, -4.0) for i, text in enumerate(texts))
    return dataclasses.replace(samples.opening(*top[:2], parent=parent), top=top)


def conversation(texts: list[str], profile: Profile) -> list[Record]:
    """Turns of three lanes in which every string is one of `texts`."""
    records: list[Record] = [
        dataclasses.replace(samples.session(), profile=profile.model_dump(mode="json"))
    ]
    parent: str | None = None
    groups = [texts[i : i + STEPS] for i in range(0, len(texts), STEPS)]
    for turn, group in enumerate(groups):
        asked = f"m-{turn}"
        role: Role = "system" if turn % 7 == 6 else "user"
        records.append(Message(id=asked, parent=parent, role=role, text=group[0]))
        for lane, alpha in LANES.items():
            name = f"r-{turn}-{lane}"
            records.append(samples.reply(name, parent=asked, lane=lane, alpha=alpha))
            records += [_step(name, i, text, group) for i, text in enumerate(group)]
            reason = "error" if turn % 2 else "stop"
            error = group[-1] if turn % 2 else None
            records.append(
                Finish(reply=name, reason=reason, tokens=len(group), seconds=0.1, error=error)  # type: ignore[arg-type]
            )
        records += [
            Name(reply=f"r-{turn}-amplified", text=group[-1]),
            Note(about=f"r-{turn}-amplified", text=group[0], step=0),
            Note(about=asked, text=group[-1]),
            Keep(reply=f"r-{turn}-amplified"),
            _opening(asked, group),
            Unknown(type="x" + group[0], fields={"y": group[-1]}),
        ]
        parent = f"r-{turn}-amplified"
    return [*records, Title(text=texts[0])]


class Tour:
    """A user who tries everything."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        self.folder, self.texts = folder, texts
        self.engines = Engines()
        self.seen: set[str] = set()
        self.chats = folder / "chats"
        self.profile = demo_profile(
            title=texts[0][:40], labels={"before": texts[1][:20], "after": texts[2][:20]}
        )

    def prepare(self) -> Path:
        """Transcripts and profiles of strangers; returns the transcript to open."""
        self.chats.mkdir()
        profiles = Path(os.environ["XDG_CONFIG_HOME"]) / "logit-amp-chat" / "profiles"
        profiles.mkdir(parents=True)
        for number, text in enumerate(self.texts):
            said = Message(id="m", parent=None, role="user", text=text)
            lines: list[Record] = [samples.session(), said, Title(text=text)]
            self._write(self.chats / f"{number}.jsonl", lines[: 2 + number % 2])
            (profiles / f"p{number}.yaml").write_text(
                f"title: {json.dumps(text)}\nbefore: {{model: a/b}}\nafter: {{model: a/c}}\n"
                + ("oops: 1\n" if number % 5 == 0 else "")
            )
        whole = self.chats / "whole.jsonl"
        self._write(whole, conversation(self.texts, self.profile))
        return whole

    @staticmethod
    def _write(path: Path, records: list[Record]) -> None:
        path.write_text("".join(to_line(record) + "\n" for record in records))

    def run(self) -> int:
        session = ChatSession(self.profile, self.chats, self.engines, clock=lambda: 0.0)
        session.resume(self.prepare())
        app = ChatApp(session)
        app.run(auto_pilot=self.steer)
        session.close()
        (self.folder / "seen.json").write_text(json.dumps(sorted(self.seen)))
        return app.return_code or 0

    async def steer(self, pilot: Pilot[object]) -> None:
        app = pilot.app
        assert isinstance(app, ChatApp)
        screen = app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        screen.view.composer.cursor_blink = False  # so that a tour that hangs is silent
        while not self.engines.made or self.engines.last.profile is None:
            await pilot.pause(0.01)
        for number, text in enumerate(self.texts):
            stage = Loading(stage=f"stage {number % 3}", detail=text, done=number, total=1000)
            self.engines.last.emit([stage])
            if number % 20 == 0:
                await self.look(pilot)
        self.engines.last.beginnings = dict.fromkeys(self.texts, (0.001, 0.004))
        self.engines.last.load(notices=tuple(self.texts))
        await self.look(pilot)
        await self.read_notices(pilot, screen)
        await self.walk(pilot, screen)
        for action in keymap.ACTIONS:
            if action.run.split("(")[0] in SKIPPED:
                continue
            await screen.run_action(action.run)
            await self.look(pilot)
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
            if app.session.state == "busy":
                self.engines.last.finish()
        await self.open_levels(pilot, screen)
        await self.read_a_text(pilot, screen)
        await self.sweep_a_turn(pilot, screen)
        await self.blame(pilot, screen)
        for text in self.texts[::5]:
            app.push_screen(LineScreen("A name", text))
            await self.look(pilot)
            app.pop_screen()
        self.engines.last.fail(" ".join(self.texts), self.texts[0])
        await self.look(pilot)
        app.exit()

    async def blame(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        """A chain whose models and stages a stranger named, and what they did to a reply."""
        sides = [
            Stage(name=f"s{n}", model=f"m{clean(text)}", revision=clean(text))
            for n, text in enumerate(self.texts[:4])
        ]
        profile = self.profile.model_copy(update={"stages": tuple(sides), "pair": ("s0", "s3")})
        log = next(log for log in screen.session.conversation.replies.values() if log.steps)
        size = len(log.steps)
        log.blamed = Blamed(
            reply=log.id,
            chain=tuple(self.texts[:3]),
            log_probs=((-9.0, -1.0, -5.0),) * size,
            likeliest=(((7, -0.1),) * 3,) * size,
            divergences=((0.5, None),) * size,
        )
        for dialog in (StagesScreen(profile), BlameScreen(BlamedReply(screen.session, log))):
            screen.app.push_screen(dialog)
            await self.look(pilot)
            screen.app.pop_screen()
        await self.walk(pilot, screen)

    async def read_notices(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        while screen.view.notice.entries:
            await self.look(pilot)
            screen.view.notice.dismiss()

    async def walk(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        """Over every token, with the inspector open, and through every page."""
        await screen.run_action("to_transcript")
        await screen.run_action("inspect")
        await screen.run_action("top")
        for _ in self.texts:
            await self.look(pilot)
            await screen.run_action("token(1)")
        await screen.run_action("inspect")

    async def open_levels(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        """Two levels of openings, and every row of them."""
        await screen.run_action("openings")
        await self.look(pilot)
        await pilot.app.screen.run_action("deeper")
        for _ in self.texts:
            await self.look(pilot)
            await pilot.app.screen.run_action("select(1)")
        pilot.app.pop_screen()

    async def read_a_text(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        """All texts as one, from a file of such a name, and the candidates at its tokens."""
        content = PlainText(text=" ".join(self.texts))
        name, place = self.texts[0], self.texts[1]
        screen.texts._show(Source(name=name, place=place, line=1, content=content))
        await self.look(pilot)
        assert isinstance(pilot.app.screen, ReadingScreen)
        for key in ("i", "f6", *["right"] * 40, "n", "N", "enter"):
            await pilot.press(key)
            await self.look(pilot)
        while len(pilot.app.screen_stack) > 1:
            pilot.app.pop_screen()
            await pilot.pause()

    async def sweep_a_turn(self, pilot: Pilot[object], screen: ChatScreen) -> None:
        """Replies that say every text, with a pattern that matches all of them."""
        engine, app = self.engines.last, pilot.app
        engine.sentences = dict.fromkeys(map(clean, self.texts), (0.5, 0.5))
        await screen.run_action("sweep")
        await self.look(pilot)
        app.screen.query_one(TextField).load_text("every=(?s).+")
        app.screen.query_one("#samples").query_one(Input).value = str(len(self.texts))
        await pilot.press("enter")
        await self.look(pilot)
        while not isinstance(app.screen, SweepScreen):
            await pilot.pause(0.01)
        engine.sample(10_000)
        await self.look(pilot)
        sweep, message = app.screen.sweep, app.screen.sweep.message
        for key in ("home", *["pagedown"] * 20, "tab", "right", "h", "b", "escape", "m", "escape"):
            await pilot.press(key)
            await self.look(pilot)
        await pilot.press("k", "enter")
        engine.finish()
        await self.look(pilot)
        engine.finish()
        await self.look(pilot)
        while len(app.screen_stack) > 1:
            app.pop_screen()
            await pilot.pause()
        screen.sweeps._choose(message, [sweep.folder])
        await self.look(pilot)
        app.pop_screen()

    async def look(self, pilot: Pilot[object]) -> None:
        """Have what changed drawn, and remember what was on the screen."""
        screen = pilot.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        screen.take_frame()
        await pilot.pause()
        await asyncio.sleep(0.02)  # a frame of the compositor's
        for shown in pilot.app.screen_stack:
            self.seen.add(type(shown).__name__)
            self.seen.update(type(widget).__name__ for widget in shown.query("*"))


if __name__ == "__main__":
    where = Path(sys.argv[1])
    sys.exit(Tour(where, json.loads((where / "texts.json").read_text())).run())
