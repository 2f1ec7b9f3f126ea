"""The tree of openings of one message, asked for level by level."""

from __future__ import annotations

from logit_amp_chat.core.chat.engine_wait import Wait, engine_wait
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.prompts import OpeningsRequest
from logit_amp_chat.core.records import Opening
from logit_amp_chat.core.sampling import Ends

Path = tuple[int, ...]


class MessageOpenings:
    """What can begin the answer to `message`, at the live α.

    A level that was measured before, also in an earlier run, is there at once; `follow`
    asks for the others one after the other, as soon as the engine is free.
    """

    def __init__(self, session: ChatSession, message: str) -> None:
        self.session = session
        self.message = message
        self.alpha = session.alpha
        """The α of what is shown: the live one, once every open level is known there."""
        self.opened: set[Path] = set()
        """The paths that are open a level deeper."""
        self.problem = ""
        """Why a level could not be measured; nothing is asked for until that is `retried`."""

    def at(self, path: Path) -> Opening | None:
        """The level after `path` at the α that is shown."""
        return self._measured(path, self.alpha)

    def open(self, path: Path) -> None:
        """Open the level after `path`."""
        self.opened.add(path)
        self.retry()

    def close(self, path: Path) -> None:
        """Close the level after `path`, with those below it."""
        self.opened = {one for one in self.opened if one[: len(path)] != path}
        self.follow()

    def retry(self) -> None:
        """Ask again for what could not be measured."""
        self.problem = ""
        self.follow()

    def failed(self, message: str) -> None:
        """The engine could not do what it was asked."""
        self.problem = message

    def follow(self) -> None:
        """Ask for the first level that is missing; without one, show the live α."""
        if self.gone:
            return
        live, path = self.session.alpha, self.missing
        if path is None or not self._known((), self.alpha):
            self.alpha = live
        if path is not None and not self.problem and self.session.live.can_ask:
            self.session.live.ask_opening(self.message, path, live, self.ends)

    @property
    def ends(self) -> Ends:
        """What is done with end-of-turn tokens (see `Sampling`)."""
        return self.session.sampling.ends

    @property
    def gone(self) -> bool:
        """Whether another conversation was begun, as with a pair of another vocabulary."""
        return self.message not in self.session.conversation.messages

    @property
    def missing(self) -> Path | None:
        """The shortest open path whose level at the live α is not known."""
        wanted = [(), *sorted(self.opened, key=lambda path: (len(path), path))]
        return next((path for path in wanted if not self._known(path, self.session.alpha)), None)

    @property
    def wait(self) -> Wait:
        """Why what is missing is not there yet; "" if nothing is, or after a problem."""
        if self.missing is None or self.problem:
            return ""
        return engine_wait(self.session, OpeningsRequest, "measuring")

    def leave(self) -> None:
        """Stop measuring what is no longer looked at."""
        if self.wait == "measuring":
            self.session.live.stop()

    def _known(self, path: Path, alpha: float) -> bool:
        return self._measured(path, alpha) is not None

    def _measured(self, path: Path, alpha: float) -> Opening | None:
        session = self.session
        template = session.live.template
        return session.conversation.opening(self.message, path, alpha, self.ends, template)
