"""What the chat shows: transcript or comparison, inspector, α bar, composer."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from logit_amp_chat.core import number_format
from logit_amp_chat.core.analysis.reply_stats import window_means
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.lanes import lane_label
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.conversation import Conversation, ReplyLog
from logit_amp_chat.tui.keys import actions as keymap
from logit_amp_chat.tui.token_log.blocks import Block, MessageBlock, ReplyBlock, WelcomeBlock
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.alpha_bar import AlphaBar, timeline
from logit_amp_chat.tui.widgets.composer import Composer
from logit_amp_chat.tui.widgets.inspector import Inspected, Inspector
from logit_amp_chat.tui.widgets.lanes import Lanes
from logit_amp_chat.tui.widgets.legend import Legend
from logit_amp_chat.tui.widgets.loading_panel import LoadingPanel
from logit_amp_chat.tui.widgets.status_lines import KeyLine, Notice, StatusLine

if TYPE_CHECKING:
    from logit_amp_chat.tui.widgets.search_bar import SearchBar

WIDE = 110
LOW, NARROW = 18, 50
LONG_PROMPT = 256


class ChatView(Screen[None]):
    """Lays out the widgets and brings them in line with the session; decides nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("anywhere")]

    def __init__(self, session: ChatSession, actions: keymap.Actions = keymap.ACTIONS) -> None:
        super().__init__()
        self.actions = actions
        self.session = session
        self.status = StatusLine(id="status")
        self.log_view = TokenLog(id="log")
        self.prompt = Static(id="prompt", markup=False)
        self.lanes = Lanes(id="lanes")
        self.inspector = Inspector(id="inspector")
        self.legend = Legend(id="legend")
        self.search_bar: SearchBar | None = None  # made when it is first asked for
        self.loading_panel = LoadingPanel(id="loading")
        self.notice = Notice(id="notice")
        self.alpha_bar = AlphaBar(id="alpha")
        self.composer = Composer(id="composer")
        self.keys = KeyLine(id="keys")
        self.compared: ReplyLog | None = None  # the turn that the comparison shows
        self._had_inspector = False  # before a candidate was to be chosen
        self._search_forwards = False
        self._spared: Conversation | None = None

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.status
        with Container(id="stage"):
            with Container(id="reading"):
                yield self.log_view
                yield self.prompt
                yield self.lanes
            yield self.inspector
        yield self.legend
        yield self.loading_panel
        yield self.notice
        yield self.alpha_bar
        yield self.composer
        yield self.keys

    def on_resize(self, event: events.Resize) -> None:
        """Wide: inspector beside the text. Low or narrow: one line for α, one thing at a time."""
        width, height = event.size
        self.set_class(width >= WIDE, "-wide")
        self.set_class(height < LOW or width < NARROW, "-small")

    def refresh_all(self) -> None:
        """Show the session as it is now."""
        self.sync_thread()
        self.refresh_inspector()
        self.refresh_status()

    def _thread_ids(self) -> list[str]:
        ids = [item.id for item in self.session.conversation.thread()]
        return ids or ["welcome"]

    def _shown_ids(self) -> list[str]:
        return [block.id for block in self.log_view.blocks]

    def sync_thread(self) -> None:
        """Bring the log in line with the thread: append what is new, rebuild when it turned."""
        wanted, shown = self._thread_ids(), self._shown_ids()
        if wanted[: len(shown)] == shown and shown:
            blocks = {item.id: item for item in self.session.conversation.thread()}
            for name in wanted[len(shown) :]:
                self.log_view.append(self._block(blocks[name]))
        else:
            thread = self.session.conversation.thread()
            self.log_view.show([self._block(item) for item in thread] or [self._welcome()])
        self.colour_logs()
        if self.session.comparing:
            self._sync_lanes()
        self._spare_records()

    def _spare_records(self) -> None:
        """Keep the garbage collector off the records, which stay as long as the chat.

        Looking at a million of them would halt the screen for a tenth of a second now and then.
        """
        conversation = self.session.conversation
        if conversation is not self._spared:
            gc.unfreeze()
            Strip.render_ansi.cache_clear()  # Textual's; an entry for every place of every word
        if self._spared is not None:  # not before the first paint
            gc.collect()  # what is garbage now would stay as well
        self._spared = conversation
        gc.freeze()

    def _sync_lanes(self) -> None:
        """Show the turn that was chosen, or else the newest."""
        session = self.session
        asked = session.conversation.last_user_message()
        log = self.compared or session.conversation.last_reply()
        if self.compared is None and asked and not session.conversation.replies_to(asked.id):
            log = None  # asked, and not answered yet
        parent = log.reply.parent if log else asked.id if asked else None
        message = session.conversation.messages.get(parent or "")
        self.prompt.update(Content(visible(message.text if message else "", newlines=False)))
        self.lanes.show(session.lanes_of(log) if log else {}, session.lanes)
        kept = session.conversation.kept(parent)
        self.lanes.set_kept(kept.id if kept else None)

    def _block(self, item: Message | ReplyLog) -> Block:
        """The block of a message or reply; one that is shown already stays, as it is wrapped."""
        if isinstance(item, Message):
            place = self.log_view.page.place_of(item.id)
            return MessageBlock(item) if place is None else self.log_view.blocks[place]
        siblings = self.session.conversation.siblings(item)
        which = siblings.index(item) + 1, len(siblings)
        shown = self.log_view.block_of(item.id)
        if shown is not None and shown.siblings == which:
            return shown
        block = ReplyBlock(item, lane_label(item.reply.lane), siblings=which)
        if item.reply.forced:  # what a branch has in common with its sibling
            block.common = block.fork = item.reply.forced - 1
        return block

    def _welcome(self) -> WelcomeBlock:
        return WelcomeBlock(
            (
                ("amplified = after + α · (after − before)", "head-amplified"),
                (
                    "Write something below. α −1 is before, 0 is after; above 0 what training"
                    " changed is exaggerated. F2 and F3 move it, also while a reply streams.",
                    "said",
                ),
                (f"Chats are saved in {short_path(self.session.saved.recorder.folder)}", "finish"),
            )
        )

    def refresh_window_means(self) -> None:
        """What the reply under the cursor, or the last one, has come to."""
        log = self.current_log
        block = log.block_of(log.cursor.reply) if log.cursor else self._last_block(log)
        steps = block.log.steps if block else []
        end = min(log.cursor.step + 1, len(steps)) if log.cursor else len(steps)
        self.alpha_bar.window_means = window_means(steps, end)
        self.alpha_bar.timeline = timeline(steps)

    def refresh_inspector(self) -> None:
        """The step under the cursor, or the last one."""
        self.refresh_window_means()
        if not self.inspector.display:
            return
        log = self.current_log
        block = log.block_of(log.cursor.reply) if log.cursor else self._last_block(log)
        if block is None or not block.log.steps:
            self.inspector.show(None)
            return
        total = len(block.log.steps)
        place = min(log.cursor.step, total - 1) if log.cursor else total - 1
        note = block.log.notes.get(place, "")
        self.inspector.show(Inspected(block.log.steps[place], block.lane, place, total, note))

    def refresh_legend(self) -> None:
        """What the colours mean, what is looked for, and the cursor's token."""
        log, legend = self.current_log, self.legend
        legend.sought = log.finder.query
        legend.found = log.finder.count() if legend.sought else (0, 0)
        legend.step = log.step_under_cursor()
        if typing := self.search_bar is not None and self.search_bar.display:
            self.search_bar.show_count(*legend.found)
        legend.display = bool(legend.sought or legend.metric) and not typing

    def colour_logs(self) -> None:
        """Give every log the colours that were chosen."""
        for log in self.query(TokenLog):
            log.colour_by(self.legend.metric)

    @staticmethod
    def _last_block(log: TokenLog) -> ReplyBlock | None:
        for block in reversed(log.blocks):
            if isinstance(block, ReplyBlock):
                return block
        return None

    def refresh_status(self) -> None:
        """Everything around the text: status, α bar, loading, footer."""
        session = self.session
        profile = session.profile
        self.status.title = profile.title
        details = [f"{profile.labels.before} → {profile.labels.after}"]
        if profile.quantization != "none":
            details.append(profile.quantization)
        if session.live.opened is not None and session.state != "loading":
            details.append(session.live.opened.session.device)
            if session.live.opened.memory:
                details.append(number_format.quantity(session.live.opened.memory, "bytes"))
        self.status.details = tuple(details)
        self._refresh_figures()
        self.alpha_bar.alpha = session.alpha
        self.alpha_bar.sampling = session.sampling
        self.alpha_bar.labels = (profile.labels.before, profile.labels.after)
        self.lanes.set_alpha(session.alpha)
        self.lanes.set_labels(profile.labels.before, profile.labels.after)
        self._refresh_loading()
        self._refresh_composer()
        self.refresh_keys()

    def _refresh_figures(self) -> None:
        session = self.session
        figures: list[str] = []
        if (silence := session.live.silence) is not None:
            figures.append(f"silent for {silence:.0f} s")
        elif (rate := session.live.tokens_per_second) is not None:
            figures.append(f"{rate:.0f} tok/s")
        if (used := session.live.context_used) is not None:
            figures.append(f"context {used[0]}/{used[1]}")
        if session.state == "failed":
            figures.append("not loaded")
        if session.saved.read_only:
            figures.append("READ ONLY")
        elif session.saved.recorder.asked:
            figures.append("saved" if session.saved.recorder.saved else "NOT SAVED")
        self.status.figures = tuple(figures)

    def _refresh_loading(self) -> None:
        session = self.session
        if session.state == "loading":
            name = visible(session.profile.title, newlines=False)
            title = f"Loading {name} · {session.live.seconds_loading} s"
            stages = list(session.live.loading.items())
            # Where there is little room, only the stage at hand.
            self.loading_panel.show(
                title, dict(stages[-1:] if self.has_class("-small") else stages)
            )
            self.loading_panel.display = True
            return
        prefill = session.live.pending_request.prefill if session.live.pending_request else None
        long = prefill is not None and prefill.total > LONG_PROMPT
        if prefill is not None and long:
            self.loading_panel.show_prefill(prefill)
        self.loading_panel.display = long

    def _refresh_composer(self) -> None:
        session = self.session
        title = ""
        if session.saved.read_only:
            title = "read only: nothing can be sent · ctrl+l tries again"
        elif session.editing is not None:
            title = "editing your last message · esc to leave it"
        elif session.queued:
            title = f"{len(session.queued)} waiting · esc to take back"
        elif session.awaiting_models:
            title = "your message is sent as soon as the models are ready"
        if title != (self.composer.border_title or ""):
            self.composer.border_title = title

    def refresh_keys(self) -> None:
        """The footer: the keys that matter where the keyboard is."""
        states = {
            "streaming": self.session.state == "busy",
            "failed": self.session.state == "failed"
            or self.session.live.silence is not None
            or self.session.saved.read_only,
            "comparing": self.session.comparing,
            "inspecting": self.inspector.display,
            "jumping": bool(self.legend.metric or self.current_log.finder.query),
        }
        self.keys.actions = keymap.footer(
            self.place, (name for name, on in states.items() if on), self.actions
        )

    @property
    def place(self) -> keymap.Place:
        """Where the keyboard is."""
        if isinstance(self.focused, TokenLog):
            return "transcript"
        if self.focused is self.inspector:
            return "candidates"
        bar = self.search_bar
        return "search" if bar is not None and self.focused is bar.line else "composer"

    @property
    def current_log(self) -> TokenLog:
        """The log that arrow keys and the inspector mean."""
        return self.lanes.current.log_view if self.session.comparing else self.log_view


def short_path(path: Path) -> str:
    """A path with the home folder as ~."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
