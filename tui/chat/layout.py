"""What the chat shows: transcript or comparison, inspector, α bar, composer."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from logit_amp_chat.core.analysis.reply_stats import window_means
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.export.describe import no_system
from logit_amp_chat.core.lanes import LETTERS, reply_title
from logit_amp_chat.core.number_format import sampling_line, which
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.chat.conditions import continues, histories
from logit_amp_chat.tui.chat.garbage_collection import RecordFreezer
from logit_amp_chat.tui.chat.status import (
    composer_title,
    figures,
    footer_states,
    pair_details,
    spelled_tokens,
)
from logit_amp_chat.tui.chat.welcome import welcome
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.reading.log_panel import LogPanel
from logit_amp_chat.tui.token_log.blocks import Block, MessageBlock, ReplyBlock, WelcomeBlock
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.alpha_bar import AlphaBar, timeline
from logit_amp_chat.tui.widgets.composer import Composer
from logit_amp_chat.tui.widgets.lane import Standing
from logit_amp_chat.tui.widgets.lanes import Lanes
from logit_amp_chat.tui.widgets.loading_panel import LoadingPanel

LONG_PROMPT = 256


class ChatView(LogPanel):
    """The widgets of the chat screen, brought in line with the session; decides nothing."""

    def __init__(
        self, screen: Screen[Any], session: ChatSession, actions: keymap.Actions = keymap.ACTIONS
    ) -> None:
        super().__init__(screen, actions, TokenLog(id="log"))
        unfold_key = keymap.action("thinking", actions).display
        self.log_view.presentation.unfold_key = unfold_key
        self.session = session
        self.prompt = Static(id="prompt", markup=False)
        self.history = Static(id="history", markup=False)
        self.lanes = Lanes(id="lanes", unfold_key=unfold_key)
        self.loading_panel = LoadingPanel(id="loading")
        self.alpha_bar = AlphaBar(id="alpha")
        self.composer = Composer(id="composer")
        self.compared: ReplyLog | None = None
        """The turn that the comparison shows; None for the newest."""
        self.background = ""
        """What the engine does for no reply of the chat."""
        self._freezer = RecordFreezer()

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.status
        with Container(id="stage"):
            with Container(id="reading"):
                yield self.log_view
                yield self.prompt
                yield self.history
                yield self.lanes
            yield self.inspector
        yield self.legend
        yield self.loading_panel
        yield self.notice
        yield self.alpha_bar
        yield self.composer
        yield self.keys

    # --- where the keyboard is ----------------------------------------------------

    @property
    def place(self) -> keymap.Place:
        """Where the keyboard is."""
        if isinstance(self._screen.focused, TokenLog):
            return "transcript"
        place = super().place
        return "composer" if place == "transcript" else place

    @property
    def comparing(self) -> bool:
        """Whether lanes stand in the place of the transcript; an empty chat has none."""
        return self.session.comparing and self.session.conversation.leaf is not None

    @property
    def current_log(self) -> TokenLog:
        """The log that arrow keys and the inspector act on."""
        return self.lanes.current.log_view if self.comparing else self.log_view

    @property
    def message_in_view(self) -> str | None:
        """The message of the turn under the cursor, or of the newest turn."""
        conversation, cursor = self.session.conversation, self.current_log.cursor
        log = conversation.replies.get(cursor.reply) if cursor else self.compared
        if log is not None:
            return log.reply.parent
        message = conversation.last_user_message()
        return message.id if message else None

    # --- the conversation ---------------------------------------------------------

    def refresh_all(self) -> None:
        """Show the session as it is now."""
        self.legend.said = ""
        self.sync_thread()
        self.refresh_legend()
        self.refresh_inspector()
        self.refresh_status()

    def show_branch(self) -> None:
        """Show a branch that was asked for, from its beginning."""
        self.compared = None
        self.current_log.set_cursor(None)
        self.sync_thread()
        self.refresh_status()

    @property
    def thread_changed(self) -> bool:
        """Whether the log shows other messages or replies than the thread has."""
        return self._thread_ids() != self._shown_ids()

    def _thread_ids(self) -> list[str]:
        ids = [item.id for item in self.session.conversation.thread()]
        return ids or ["welcome"]

    def _shown_ids(self) -> list[str]:
        return [block.id for block in self.log_view.blocks]

    def sync_thread(self) -> None:
        """Bring the log in line with the thread: append what is new, rebuild when it changed."""
        wanted, shown = self._thread_ids(), self._shown_ids()
        if wanted[: len(shown)] == shown and shown:
            items = {item.id: item for item in self.session.conversation.thread()}
            for name in wanted[len(shown) :]:
                self.log_view.append(self._block(items[name]))
        else:
            thread = self.session.conversation.thread()
            self.log_view.show(
                [self._block(item) for item in thread]
                or [welcome(self.session, self.legend.metric)]
            )
        self.colour_logs()
        if self.session.comparing:
            self.sync_lanes()
        self.arrange()
        self._freezer.freeze(self.session.conversation)

    def arrange(self) -> None:
        """Lanes below their message, or the transcript."""
        self.lanes.display = self.prompt.display = self.comparing
        self.history.display &= self.comparing
        self.log_view.display = not self.comparing
        focused = self._screen.focused
        if isinstance(focused, TokenLog) and (focused is self.log_view) == self.comparing:
            self._screen.set_focus(self.current_log)

    def sync_lanes(self) -> None:
        """Show the turn that was chosen, or else the newest."""
        session, conversation = self.session, self.session.conversation
        asked = conversation.last_user_message()
        log = self.compared or conversation.last_reply()
        if log is not self.compared and log and asked and log.reply.parent != asked.id:
            log = None  # asked, and not answered yet
        parent = log.reply.parent if log else asked.id if asked else None
        asked = conversation.messages.get(parent or "")
        version = which(*self._version(asked)) if asked else ""
        text = visible(asked.text, newlines=False) if asked else ""
        self.prompt.update(Content(f"{text}  {version}".rstrip()))
        found = session.lanes_of(log) if log else {}
        told = histories(conversation, found)
        standings = {
            lane: Standing(self._which(reply), told[lane]) for lane, reply in found.items()
        }
        self.lanes.show(found, session.lanes, standings)
        self._tell_conditions(list(found.values()), conversation.previous(parent))
        kept = conversation.kept(parent)
        self.lanes.set_kept(kept.id if kept else None)

    def _tell_conditions(self, logs: list[ReplyLog], previous: ReplyLog | None) -> None:
        """Say how the lanes were sampled, and whose replies they continue."""
        own = self.session.own_histories
        parts = []
        if logs:
            shared = logs[0].reply
            parts.append(f"seed {shared.seed}  {sampling_line(shared.sampling)}")
        if previous is not None:
            parts.append(continues(self.session.conversation, logs, previous, own=own))
            parts.append("h one history" if own else "h own histories")
        self.history.display = bool(parts)
        self.history.update(" · ".join(parts))

    def _which(self, log: ReplyLog) -> tuple[int, int]:
        siblings = self.session.conversation.siblings(log)
        return siblings.index(log) + 1, len(siblings)

    def _version(self, message: Message) -> tuple[int, int]:
        versions = self.session.conversation.versions(message)
        return versions.index(message) + 1, len(versions)

    def _block(self, item: Message | ReplyLog) -> Block:
        """The block of a message or reply; one that is shown already stays, as it is wrapped."""
        place = self.log_view.page.place_of(item.id)
        shown = self.log_view.blocks[place] if place is not None else None
        if isinstance(item, Message):
            version = self._version(item)
            if isinstance(shown, MessageBlock) and shown.version == version:
                return shown
            if item.role == "system":
                return MessageBlock(item, version, no_system(self.session.conversation, item))
            return MessageBlock(item, version)
        siblings = self._which(item)
        if isinstance(shown, ReplyBlock) and shown.siblings == siblings:
            return shown
        block = ReplyBlock(item, siblings=siblings)
        block.mark_branch(self._older(item))
        return block

    def _older(self, log: ReplyLog) -> list[ReplyLog]:
        siblings = self.session.conversation.siblings(log)
        return siblings[: siblings.index(log)]

    def grow(self, reply: str) -> None:
        """Show a reply's new steps in the transcript."""
        block = self.log_view.block_of(reply)
        if block and block.awaits_branch and block.mark_branch(self._older(block.log)):
            self.log_view.refresh()
        self.log_view.grow(reply)

    def refresh_welcome(self) -> None:
        """Bring an empty chat's page in line with the settings."""
        shown = self.log_view.blocks
        if shown and isinstance(shown[0], WelcomeBlock):
            block = welcome(self.session, self.legend.metric)
            if block.paragraphs != shown[0].paragraphs:
                self.log_view.show([block])

    # --- token statistics ---------------------------------------------------------

    def refresh_inspector(self) -> None:
        """The step under the cursor, or one worth a look, and the means up to the cursor."""
        block, cursor = self.current_block, self.current_log.cursor
        steps = block.log.steps if block else []
        total = len(steps)
        end = min(cursor.step + 1, total) if cursor else total
        given = block.log.reply.forced if block else 0
        self.alpha_bar.window_means = window_means(steps, end, given)
        self.alpha_bar.window = self._window(block)
        self.alpha_bar.timeline = timeline(steps)
        super().refresh_inspector()

    def _window(self, block: ReplyBlock | None) -> tuple[str, ...]:
        """Over what the bar shows means: they look back from the cursor, if there is one."""
        cursor = self.current_log.cursor is not None
        windows = ("last {} to here", "to here") if cursor else ("last {}",)
        if block is None or not self.comparing:
            return windows
        name = reply_title(self.lanes.current.head)
        lanes = dict.fromkeys((LETTERS.get(name, name), LETTERS.get(name, LETTERS["amplified"])))
        return (*(f"{lane} {window}" for lane in lanes for window in windows), *windows)

    # --- around the text ----------------------------------------------------------

    def refresh_status(self) -> None:
        """Everything around the text: status, α bar, loading, footer."""
        session = self.session
        self.refresh_welcome()
        self.status.title = session.profile.title
        self.status.details = pair_details(session)
        self.refresh_figures()
        self.alpha_bar.alpha = session.alpha
        self.alpha_bar.sampling = session.sampling
        self.lanes.set_alpha(session.alpha)
        self.refresh_loading()
        title = Content(composer_title(session))
        if title.markup != (self.composer.border_title or ""):
            self.composer.border_title = title
        self.refresh_special()
        self.refresh_keys()

    def refresh_special(self) -> None:
        """What becomes of the special tokens that the message spells, at the composer's edge."""
        composer, opened = self.composer, self.session.live.opened
        key = keymap.action("special_tokens", self.actions).display
        known = opened.special_tokens if opened is not None else ()
        said = spelled_tokens(composer.text, known, key, special=composer.special)
        if said != (composer.border_subtitle or ""):
            composer.border_subtitle = Content(said)

    def refresh_figures(self) -> None:
        """Speed, context used, and whether the chat is saved."""
        *others, last = figures(self.session) or ("",)  # the first ones give way where it is narrow
        self.status.figures = tuple(filter(None, (*others, self.background, last)))

    def refresh_loading(self) -> None:
        """How far the models, or a long prompt, are."""
        live = self.session.live
        if live.state == "loading":
            name = visible(live.profile.title, newlines=False)
            title = f"Loading {name} · {live.seconds_loading} s"
            stages = list(live.loading.items())
            # Where there is little room, only the current stage.
            small = self._screen.has_class("-small")
            self.loading_panel.show(title, dict(stages[-1:] if small else stages))
            self.loading_panel.display = True
            return
        prefill = live.pending_request.prefill if live.pending_request else None
        long = prefill is not None and prefill.total > LONG_PROMPT
        if prefill is not None and long:
            self.loading_panel.show_prefill(prefill)
        self.loading_panel.display = long

    def states(self) -> set[str]:
        """The states that narrow the footer."""
        return footer_states(self.session) | super().states()
