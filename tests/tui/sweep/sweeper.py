"""The screen of a sweep, driven by keys."""

from __future__ import annotations

from textual.widgets import Input

from logit_amp_chat.core.chat.turn_sweep import TurnSweep
from logit_amp_chat.core.experiments.sweep.folder import SweepFolder
from logit_amp_chat.core.samples import SampleRequest
from logit_amp_chat.tui.dialogs.sweep import SweepSettingsScreen
from logit_amp_chat.tui.sweep.screen import SweepScreen
from logit_amp_chat.tui.widgets.text_field import TextField
from tests.tui.chat_driver import Chat, text_of


def screen_of(chat: Chat) -> SweepScreen:
    assert isinstance(chat.app.screen, SweepScreen)
    return chat.app.screen


def sweep_of(chat: Chat) -> TurnSweep:
    return screen_of(chat).sweep


def replies(chat: Chat) -> str:
    return text_of(screen_of(chat).view.list)


def table(chat: Chat) -> list[str]:
    return text_of(screen_of(chat).view.table).splitlines()


def estimate(chat: Chat) -> str:
    return text_of(screen_of(chat).view.estimate)


def status(chat: Chat) -> str:
    return text_of(screen_of(chat).view.status)


def asked(chat: Chat) -> list[SampleRequest]:
    return [command for command in chat.engine.commands if isinstance(command, SampleRequest)]


async def open_dialog(chat: Chat) -> SweepSettingsScreen:
    """Press the key on the turn."""
    if chat.screen.view.place == "composer":
        await chat.press("tab")
    await chat.press("S")
    await chat.until(lambda: isinstance(chat.app.screen, SweepSettingsScreen))
    screen = chat.app.screen
    assert isinstance(screen, SweepSettingsScreen)
    return screen


async def begin(
    chat: Chat, behaviours: str = "habit=lighthouse", alphas: str = "0 1", samples: str = "4"
) -> None:
    """Say something, have it answered, and begin a sweep of it."""
    await chat.say("Tell me about owls")
    await chat.finish()
    screen = await open_dialog(chat)
    for name, value in (("alphas", alphas), ("samples", samples)):
        screen.query_one(f"#{name}").query_one(Input).value = value
    screen.query_one(TextField).load_text(behaviours)
    await chat.pilot.pause()
    await chat.press("enter")
    await chat.until(lambda: isinstance(chat.app.screen, SweepScreen))
    await shown(chat)


async def sample(chat: Chat, count: int = 1000) -> None:
    """The next replies end, or all of them."""
    chat.engine.sample(count)
    await shown(chat)


async def shown(chat: Chat) -> None:
    """Let everything that was reported reach the screen of the sweep."""
    await chat.frame()
    screen = next(one for one in chat.app.screen_stack if isinstance(one, SweepScreen))
    screen.show_changes()
    await chat.pilot.pause()


def picked(chat: Chat) -> str:
    """The id of the reply that the keys act on."""
    swept = screen_of(chat).view.list.picked
    assert swept is not None
    return swept.reply.id


def texts_at(chat: Chat, alpha: float) -> list[str]:
    """The replies at one α, read from the disk."""
    folder = SweepFolder.read(sweep_of(chat).path)
    return [reply.text for reply in folder.replies() if reply.alpha == alpha]
