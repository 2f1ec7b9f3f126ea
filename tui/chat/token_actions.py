"""What can be done with the text: choose and branch, browse, note, colour, search, render."""

from __future__ import annotations

from textual import on
from textual.widgets import Input

from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS
from logit_amp_chat.core.transcripts.conversation import ReplyLog
from logit_amp_chat.tui.chat.layout import ChatView
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.candidate_table import quoted
from logit_amp_chat.tui.widgets.inspector import Inspector

OTHER_PAIR = (
    "This reply was made with other models, whose token ids mean something else.",
    "Load that pair (F8) to branch from it.",
)


class Reading(ChatView):
    """The actions on tokens and replies; what they mean for the chat is the session's."""

    # --- what else could have been said -----------------------------------------

    def action_choose(self) -> None:
        """Choose among the candidates of the cursor's token; without one, write."""
        if self.current_log.cursor is None:
            self.set_focus(self.composer)
            return
        self._had_inspector = self.inspector.display
        self._show_inspector(True)
        self.call_after_refresh(self._choose)

    def _choose(self) -> None:
        if not self.inspector.choose():
            self.notice.say("No candidates were recorded for this token.")

    def _show_inspector(self, shown: bool) -> None:
        self.inspector.display = shown
        self.set_class(shown, "-inspecting")
        self.refresh_inspector()
        self.refresh_keys()

    @on(Inspector.Left)
    def _chosen_or_left(self) -> None:
        if not self._had_inspector:
            self._show_inspector(False)
        self.refresh_keys()

    def action_candidate(self, by: int) -> None:
        """Select another candidate."""
        self.inspector.select_by(by)

    def action_branch(self) -> None:
        """Go on from the selected candidate: a sibling of the reply."""
        log, cursor, candidate = self.current_log, self.current_log.cursor, self.inspector.candidate
        block = log.block_of(cursor.reply) if cursor else None
        if block is None or cursor is None or candidate is None:
            return
        self.set_focus(log)
        reply, place, token = block.log, cursor.step, candidate.id
        if not self.session.can_branch(reply):
            self.notice.say(*OTHER_PAIR)
            return
        self.session.live.when_idle(lambda: self._branch(reply, place, token))

    def _branch(self, reply: ReplyLog, place: int, token: int) -> None:
        if not self.session.branch(reply, place, token):
            self.notice.say("The models are not loaded.", "Wait, or press ctrl+l.", error=True)
            return
        self.compared = None
        self.current_log.set_cursor(None)
        self.sync_thread()
        self.refresh_status()

    # --- siblings, notes, names -------------------------------------------------

    def _block_at_hand(self) -> ReplyBlock | None:
        """The reply under the cursor, or the last one."""
        log = self.current_log
        return log.block_of(log.cursor.reply) if log.cursor else self._last_block(log)

    def action_sibling(self, by: int) -> None:
        """Show another reply of this lane to the same message; the chat goes on from it."""
        block = self._block_at_hand()
        siblings = self.session.conversation.siblings(block.log) if block else []
        if block is None or len(siblings) < 2:
            self.notice.say(
                "This reply has no siblings.", "r makes another, enter on a token a branch."
            )
            return
        if self.session.state == "busy":
            self.notice.say("A reply is being written.", "Esc stops it.")
            return
        sibling = siblings[(siblings.index(block.log) + by) % len(siblings)]
        cursor = self.current_log.cursor
        self.session.saved.switch_to(sibling)
        if self.session.comparing:
            self.compared = sibling
        self.sync_thread()
        if cursor is not None and sibling.steps:
            step = min(cursor.step, len(sibling.steps) - 1)
            self.current_log.set_cursor(Cursor(sibling.id, step))
        self.refresh_inspector()
        self.refresh_status()

    def action_note(self) -> None:
        """Note something about the cursor's token, or without one about the reply."""
        cursor = self.current_log.cursor
        self._note(cursor.step if cursor else None)

    def action_note_reply(self) -> None:
        """Note something about the reply at hand."""
        self._note(None)

    def _note(self, step: int | None) -> None:
        from logit_amp_chat.tui.dialogs.note import NoteScreen

        block = self._block_at_hand()
        if block is None:
            self.notice.say("There is nothing to note yet.", "Write a message first.")
            return
        log = block.log
        about = "About this reply"
        if step is not None:
            about = f"About token {step + 1}, {quoted(log.steps[step].text)}"

        def take(text: str | None) -> None:
            if text is not None and text != log.notes.get(step, ""):
                self.session.saved.note(log.id, text, step)
                self._renew(log.id)

        self.app.push_screen(NoteScreen(about, log.notes.get(step, "")), take)

    def action_name(self) -> None:
        """Give the reply at hand a name."""
        from logit_amp_chat.tui.dialogs.note import NameScreen

        block = self._block_at_hand()
        if block is None:
            self.notice.say("There is nothing to name yet.", "Write a message first.")
            return
        log = block.log

        def take(text: str | None) -> None:
            if text is not None and text != log.name:
                self.session.saved.name(log.id, text)
                self._renew(log.id)

        self.app.push_screen(NameScreen("What this reply is called", log.name), take)

    def _renew(self, reply: str) -> None:
        for log in self.query(TokenLog):
            log.renew(reply)
        self.refresh_inspector()

    # --- colours and Markdown ---------------------------------------------------

    def action_colour(self) -> None:
        """Colour by the next number, or not at all."""
        known = [None, *TOKEN_METRICS.values()]
        self.legend.metric = known[(known.index(self.legend.metric) + 1) % len(known)]
        self.legend.said = ""
        self.colour_logs()
        self.refresh_legend()
        self.refresh_keys()

    def action_rendered(self) -> None:
        """Finished replies as Markdown, or as tokens again."""
        self.current_log.render_markdown(not self.current_log.rendered)

    # --- going from place to place ----------------------------------------------

    def action_reply(self, by: int) -> None:
        """Move the token cursor to another reply."""
        self.current_log.move_by_reply(by)

    def action_next(self, direction: int) -> None:
        """The next place that was found, or else the next token that stands out."""
        log, legend = self.current_log, self.legend
        if log.finder.query:
            self._to_hit(direction)
        elif legend.metric is None:
            self.notice.say("Nothing to go to.", "Search with /, or colour the tokens with F6.")
        elif not log.move_by_hunk(direction):
            legend.said = "nothing more stands out"
        else:
            legend.said = ""
        self.refresh_legend()

    async def action_search(self) -> None:
        """Find words: a line to type them into."""
        from logit_amp_chat.tui.widgets.search_bar import SearchBar

        if self.search_bar is None:
            self.search_bar = SearchBar()
            await self.mount(self.search_bar, after=self.legend)
        # From the cursor on; without one backwards from the end, as one reads a chat.
        self._search_forwards = self.current_log.cursor is not None
        self.search_bar.line.value = ""
        self.search_bar.display = True
        self._look_for("")
        self.refresh_legend()
        self.set_focus(self.search_bar.line)

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        self._look_for(event.value)
        if event.value:
            self._to_hit(1 if self._search_forwards else -1, from_here=True)
        self.refresh_legend()

    def _look_for(self, query: str) -> None:
        for log in self.query(TokenLog):
            log.search(query)

    def _to_hit(self, direction: int, *, from_here: bool = False) -> None:
        """The next hit in this log, or in the first other lane where there is one."""
        if self.current_log.move_to_hit(direction, from_here=from_here):
            return
        for name, lane in self.lanes.lanes.items() if self.session.comparing else ():
            if lane.log_view.finder.count()[1]:
                self.lanes.select(name)
                lane.log_view.move_to_hit(direction, from_here=from_here)
                return

    def action_search_go(self) -> None:
        """Leave the words; what was found stays marked."""
        self._close_search()

    def _close_search(self) -> None:
        if self.search_bar is not None:
            self.search_bar.display = False
        self.set_focus(self.current_log)
        self.refresh_legend()
        self.refresh_keys()

    def leave(self) -> bool:
        """What esc ends first: choosing, searching. False where there is nothing of it."""
        if self.place in ("candidates", "search"):
            if self.place == "search":
                self._look_for("")
            self._close_search()
            return True
        if self.place == "transcript" and self.current_log.finder.query:
            self._look_for("")
            self.refresh_legend()
            return True
        return False
