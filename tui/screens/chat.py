"""The chat: transcript or comparison, inspector, α bar, composer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static, TextArea

from core.conversation import ReplyLog
from core.events import Failed, Idle, Opened
from core.records import Finish, Message, Reply, Step
from core.text import visible
from tui import format, keymap
from tui.screens.chat_dialogs import Dialogs
from tui.session import ChatSession, Unsaved, Update
from tui.widgets.alpha_bar import AlphaBar
from tui.widgets.blocks import Block, MessageBlock, ReplyBlock, WelcomeBlock
from tui.widgets.composer import Composer
from tui.widgets.inspector import Inspected, Inspector
from tui.widgets.lanes import Lanes
from tui.widgets.lines import KeyLine, Notice, StatusLine
from tui.widgets.loading import LoadingPanel
from tui.widgets.token_log import Cursor, TokenLog

FRAME_SECONDS = 1 / 15
RELOAD = "Press ctrl+l to load again, F8 for another profile."
WIDE = 110
LOW, NARROW = 18, 50


class ChatScreen(Dialogs):
    """Shows a session and passes on what the user wants.

    The session is asked once a frame what happened; the work of a frame
    depends on what is new, not on how long the reply is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("anywhere")]

    def __init__(self, session: ChatSession) -> None:
        super().__init__()
        self.session = session
        self.status = StatusLine(id="status")
        self.log_view = TokenLog(id="log")
        self.prompt = Static(id="prompt", markup=False)
        self.lanes = Lanes(id="lanes")
        self.inspector = Inspector(id="inspector")
        self.loading_panel = LoadingPanel(id="loading")
        self.notice = Notice(id="notice")
        self.alpha_bar = AlphaBar(id="alpha")
        self.composer = Composer(id="composer")
        self.keys = KeyLine(id="keys")
        self.compared: ReplyLog | None = None  # the turn that the comparison shows
        self._lanes_due = False
        self._quit_armed = False

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self.status
        with Container(id="stage"):
            with Container(id="reading"):
                yield self.log_view
                yield self.prompt
                yield self.lanes
            yield self.inspector
        yield self.loading_panel
        yield self.notice
        yield self.alpha_bar
        yield self.composer
        yield self.keys

    def on_mount(self) -> None:
        """Start loading once the first frame is there."""
        self.lanes.display = self.prompt.display = self.inspector.display = False
        self.composer.focus()
        self.refresh_all()
        self.set_interval(FRAME_SECONDS, self.take_frame)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        if self.session.state == "closed":
            self.load(None)
        self.refresh_status()

    def on_resize(self, event: events.Resize) -> None:
        """Wide: inspector beside the text. Low or narrow: one line for α, one thing at a time."""
        width, height = event.size
        self.set_class(width >= WIDE, "-wide")
        self.set_class(height < LOW or width < NARROW, "-small")

    # --- frames -----------------------------------------------------------------

    def take_frame(self) -> None:
        """Show what happened since the last frame."""
        updates = self.session.drain()
        if updates:
            self._take(updates)
        elif self.session.state == "busy":
            self._refresh_figures()

    def _take(self, updates: Iterable[Update]) -> None:
        grown: set[str] = set()
        structure = False
        for update in updates:
            match update:
                case Step() | Finish():
                    grown.add(update.reply)
                case Reply():
                    structure = True
                case Idle():
                    self._complete_if_due()
                case Opened():
                    for sentence in update.notices:
                        self.notice.say(sentence)
                case Failed():
                    self._failed(update)
                case Unsaved():
                    self.notice.say(update.message, update.remedy, error=True)
                case _:
                    pass
        if structure or self._thread_ids() != self._shown_ids():
            self.sync_thread()
        for reply in grown:
            self.log_view.grow(reply)
        if grown and self.session.comparing:
            self.lanes.grow()
        if grown:
            self.refresh_inspector()
        self.refresh_status()

    def _complete_if_due(self) -> None:
        """After a reply during which the comparison was switched on: its missing lanes."""
        due, self._lanes_due = self._lanes_due, False
        if due and self.session.comparing and (log := self.compared or self.session.last_reply()):
            self.session.complete_lanes(log)

    def _failed(self, failed: Failed) -> None:
        remedy = failed.remedy
        if failed.fatal:
            remedy = f"{remedy} {RELOAD}".strip()
        self.notice.say(failed.message, remedy, error=True)
        self._give_back()

    def _give_back(self) -> None:
        """Put what was submitted but never sent back into the composer."""
        if text := self.session.take_waiting():
            self.composer.put("\n\n".join(filter(None, [self.composer.text, text])))

    # --- what is shown ----------------------------------------------------------

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
        if self.session.comparing:
            self._sync_lanes()

    def _sync_lanes(self) -> None:
        """Show the turn that was chosen, or else the newest."""
        session = self.session
        asked = session.last_user_message()
        log = self.compared or session.last_reply()
        if self.compared is None and asked and not session.conversation.replies_to(asked.id):
            log = None  # asked, and not answered yet
        parent = log.reply.parent if log else asked.id if asked else None
        message = session.conversation.messages.get(parent or "")
        self.prompt.update(Content(visible(message.text if message else "", newlines=False)))
        self.lanes.show(session.lanes_of(log) if log else {})
        kept = session.conversation.kept(parent)
        self.lanes.set_kept(kept.id if kept else None)

    def _block(self, item: Message | ReplyLog) -> Block:
        if isinstance(item, Message):
            return MessageBlock(item)
        return ReplyBlock(item, item.reply.lane)

    def _welcome(self) -> WelcomeBlock:
        return WelcomeBlock(
            (
                ("amplified = after + α · (after − before)", "head-amplified"),
                (
                    "Write something below. α −1 is before, 0 is after; above 0 what training"
                    " changed is exaggerated. F2 and F3 move it, also while a reply streams.",
                    "said",
                ),
                (f"Chats are saved in {_short(self.session.recorder.folder)}", "finish"),
            )
        )

    def refresh_inspector(self) -> None:
        """The step under the cursor, or the last one."""
        if not self.inspector.display:
            return
        log = self.current_log
        block = log.block_of(log.cursor.reply) if log.cursor else self._last_block(log)
        if block is None or not block.log.steps:
            self.inspector.show(None)
            return
        total = len(block.log.steps)
        place = min(log.cursor.step, total - 1) if log.cursor else total - 1
        self.inspector.show(Inspected(block.log.steps[place], block.lane, place, total))

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
        self.status.title = profile.title or profile.name
        details = [f"{profile.labels.before} → {profile.labels.after}"]
        if profile.quantization != "none":
            details.append(profile.quantization)
        if session.opened is not None and session.state != "loading":
            details.append(session.opened.session.device)
            if session.opened.memory:
                details.append(format.quantity(session.opened.memory, "bytes"))
        self.status.details = tuple(details)
        self._refresh_figures()
        self.alpha_bar.alpha = session.alpha
        self.alpha_bar.sampling = session.sampling
        self.alpha_bar.labels = (profile.labels.before, profile.labels.after)
        self.lanes.set_labels(profile.labels.before, profile.labels.after)
        self._refresh_loading()
        self._refresh_composer()
        self.refresh_keys()

    def _refresh_figures(self) -> None:
        session = self.session
        figures: list[str] = []
        if (rate := session.tokens_per_second) is not None:
            figures.append(f"{rate:.0f} tok/s")
        if (used := session.context_used) is not None:
            figures.append(f"context {used[0]}/{used[1]}")
        if session.state == "failed":
            figures.append("not loaded")
        if session.recorder.asked:
            figures.append("saved" if session.recorder.saved else "NOT SAVED")
        self.status.figures = tuple(figures)

    def _refresh_loading(self) -> None:
        session = self.session
        if session.state == "loading":
            title = f"Loading {visible(session.profile.title or session.profile.name)}"
            self.loading_panel.show(title, session.loading)
        elif session.prefill is not None and session.prefill.total > 256:
            self.loading_panel.show_prefill(session.prefill)
        self.loading_panel.display = session.state == "loading" or (
            session.prefill is not None and session.prefill.total > 256
        )

    def _refresh_composer(self) -> None:
        session = self.session
        title = ""
        if session.editing is not None:
            title = "editing your last message · esc to leave it"
        elif session.waiting:
            title = f"{len(session.waiting)} waiting · esc to take back"
        elif session.awaiting:
            title = "your message is sent as soon as the models are ready"
        if title != (self.composer.border_title or ""):
            self.composer.border_title = title

    def refresh_keys(self) -> None:
        """The footer: the keys that matter where the keyboard is."""
        states = {
            "streaming": self.session.state == "busy",
            "failed": self.session.state == "failed",
            "comparing": self.session.comparing,
            "inspecting": self.inspector.display,
        }
        actions = keymap.footer(self.place, (name for name, on in states.items() if on))
        if states["streaming"]:
            actions = tuple(a for a in actions if a.id not in ("send", "to_transcript"))
        self.keys.actions = actions

    # --- the keyboard's two places ----------------------------------------------

    @property
    def place(self) -> keymap.Place:
        """Where the keyboard is."""
        return "transcript" if isinstance(self.focused, TokenLog) else "composer"

    @property
    def current_log(self) -> TokenLog:
        """The log that arrow keys and the inspector mean."""
        return self.lanes.current.log_view if self.session.comparing else self.log_view

    def on_descendant_focus(self) -> None:
        """Another place has the keyboard."""
        if isinstance(self.focused, TokenLog) and self.session.comparing:
            for name, lane in self.lanes.lanes.items():
                if lane.log_view is self.focused:
                    self.lanes.select(name)
        self.set_class(self.place == "transcript", "-reading")
        self.refresh_inspector()
        self.refresh_keys()

    def on_key(self, event: events.Key) -> None:
        """A printing key without a meaning in the transcript goes to the composer."""
        self._quit_armed = self._quit_armed and event.key == "ctrl+c"
        if self.place != "transcript" or not event.is_printable or event.character is None:
            return
        if event.key not in self.active_bindings:
            event.stop()
            self.composer.focus()
            self.composer.insert(event.character)

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.composer.put("")
        self.notice.clear_information()
        self.log_view.set_cursor(None)
        self.compared = None
        self.session.submit(event.text)
        if self.session.state == "failed":
            self.notice.say("The models are not loaded.", RELOAD, error=True)
        self.sync_thread()
        self.log_view.scroll_end(animate=False)
        self.refresh_status()

    @on(Composer.Left)
    def _left(self) -> None:
        self.action_to_transcript()

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._quit_armed = False

    @on(TokenLog.CursorMoved)
    def _cursor_moved(self) -> None:
        self.refresh_inspector()

    # --- actions ----------------------------------------------------------------

    def action_send(self) -> None:
        """Send what is in the composer."""
        self.composer.action_submit()

    def action_to_transcript(self) -> None:
        """Give the keyboard to the transcript."""
        self.current_log.focus()

    def action_to_composer(self) -> None:
        """Give the keyboard to the composer."""
        self.composer.focus()

    def action_escape(self) -> None:
        """Whatever is nearest: stop, read a notice, leave an edit, change places."""
        session = self.session
        if session.state == "busy":
            self._give_back()
            session.stop()
        elif self.notice.dismiss():
            pass
        elif session.waiting:
            self._give_back()
        elif session.editing is not None:
            session.editing = None
            self.composer.put("")
        elif self.place == "composer":
            self.action_to_transcript()
        else:
            self.current_log.set_cursor(None)
            self.action_to_composer()
        self.refresh_status()

    def action_regenerate(self) -> None:
        """Another reply to the last message."""
        self.compared = None
        self.session.when_idle(self._regenerate)

    def _regenerate(self) -> None:
        if not self.session.regenerate():
            self.notice.say("There is no message to answer yet.", "Write one first.")
        self.log_view.set_cursor(None)
        self.sync_thread()
        self.refresh_status()

    def action_edit(self) -> None:
        """Take the last message back into the composer."""
        text = self.session.edit()
        if text is None:
            self.notice.say("There is no message to edit yet.", "Write one first.")
            return
        self.composer.put(text)
        self.composer.focus()
        self.refresh_status()

    def action_alpha_by(self, by: float) -> None:
        """Move α."""
        self.set_alpha(round(self.session.alpha + by, 6))

    def action_alpha_to(self, alpha: float) -> None:
        """Set α."""
        self.set_alpha(alpha)

    def set_alpha(self, alpha: float) -> None:
        """Set α, from the next token on."""
        self.session.set_alpha(alpha)
        self.alpha_bar.alpha = self.session.alpha

    def action_compare(self) -> None:
        """Show or hide the three lanes; missing ones are asked for."""
        session = self.session
        cursor = self.log_view.cursor
        had_place = self.place == "transcript"
        session.comparing = not session.comparing
        self.lanes.display = self.prompt.display = session.comparing
        self.log_view.display = not session.comparing
        if session.comparing:
            chosen = session.conversation.replies.get(cursor.reply) if cursor else None
            self.compared = chosen or session.last_reply()
            self._lanes_due = session.state == "busy"
            if self.compared is not None:
                session.complete_lanes(self.compared)
            self._sync_lanes()
            if self.compared is not None:
                self.lanes.select(self.compared.reply.lane)
            if cursor is not None and self.compared is not None:
                self.lanes.current.log_view.set_cursor(Cursor(self.compared.id, cursor.step))
        else:
            self.compared = None
            self.sync_thread()
        if had_place:
            self.current_log.focus()
        self.refresh_inspector()
        self.refresh_status()

    def action_keep(self) -> None:
        """Make the selected lane's reply the history."""
        block = self.lanes.current.block
        if not self.session.comparing or block is None:
            self.notice.say("Nothing to keep: compare first (F4), then choose a lane with tab.")
            return
        self.session.keep(block.id)
        self.sync_thread()
        self.refresh_status()

    def action_lane(self, by: int) -> None:
        """Go to another lane; without a comparison, to the composer."""
        if self.session.comparing:
            self.lanes.step_to(by).focus()
            self.refresh_inspector()
        else:
            self.action_to_composer()

    def action_inspect(self) -> None:
        """Show or hide the inspector."""
        self.inspector.display = not self.inspector.display
        self.set_class(self.inspector.display, "-inspecting")
        self.refresh_inspector()
        self.refresh_keys()

    def action_sort(self) -> None:
        """Sort the candidates the other way."""
        self.inspector.sort()

    def action_token(self, by: int) -> None:
        """Move the token cursor."""
        self.current_log.move_by_token(by)

    def action_word(self, by: int) -> None:
        """Move the token cursor to another word."""
        self.current_log.move_by_word(by)

    def action_line(self, by: int) -> None:
        """Move the token cursor to another line; down from the last one to the composer."""
        log = self.current_log
        if by > 0 and log.cursor is None:
            self.action_to_composer()
        else:
            log.move_by_line(by)

    def action_page(self, by: int) -> None:
        """Scroll a page."""
        log = self.current_log
        log.scroll_relative(y=by * max(1, log.size.height - 2), animate=False)

    def action_top(self) -> None:
        """To the first token."""
        self.current_log.move_to_first()

    def action_end(self) -> None:
        """To the end, and follow new text."""
        self.current_log.set_cursor(None)
        self.current_log.scroll_end(animate=False)

    def action_interrupt(self) -> None:
        """ctrl+c: copy a selection, stop a reply, and quit when pressed again."""
        selected = self.get_selected_text() or self.composer.selected_text
        if selected:
            self.app.copy_to_clipboard(selected)
        elif self.session.state == "busy":
            self.action_escape()
        elif self._quit_armed:
            self.action_quit()
        else:
            self._quit_armed = True
            self.notice.say("Press ctrl+c again, or ctrl+q, to quit.")

    def action_quit(self) -> None:
        """Save and quit."""
        self.app.exit()


def _short(path: Path) -> str:
    """A path with the home folder as ~."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
