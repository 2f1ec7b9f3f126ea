"""The token cursor and what can be done where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from logit_amp_chat.core.records import Keep, Name, Note
from logit_amp_chat.tui.token_log.cursor import Cursor
from logit_amp_chat.tui.token_log.widget import TokenLog
from logit_amp_chat.tui.widgets.inspector import Inspector
from tests.tui.chat_driver import Chat, Engines, make_session, open_chat, text_of
from tests.tui.reader import ask, last, legend


def cursor_step(chat: Chat) -> int | None:
    cursor = chat.screen.view.current_log.cursor
    return cursor.step if cursor else None


def panel(chat: Chat) -> str:
    return text_of(chat.screen.view.inspector)


class TestBranching:
    async def test_enter_opens_the_candidates_of_the_token(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            await chat.press("right", "right", "enter")
            assert isinstance(chat.screen.focused, Inspector)
            candidate = chat.screen.view.inspector.candidate
            assert candidate is not None
            assert candidate.amplified == max(c.amplified for c in last(chat).steps[2].top)
            assert "go on here" in chat.footer

    async def test_enter_without_a_cursor_goes_to_the_composer(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.say("Hi")
            await chat.finish()
            await chat.read()
            await chat.press("enter")
            assert chat.screen.focused is chat.screen.view.composer

    @pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
    async def test_a_branch_replaces_the_reply_and_is_its_sibling(
        self, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        async with open_chat(tmp_path, size=size) as chat:
            await ask(chat, "Hi")
            first = last(chat)
            await chat.press("right", "right", "enter", "down", "down")
            candidate = chat.screen.view.inspector.candidate
            assert candidate is not None
            await chat.press("enter")
            request = chat.engine.request
            assert request is not None
            assert request.forced == (
                *(step.token for step in first.steps[:2]),
                candidate.id,
            )
            await chat.finish()
            assert last(chat).id != first.id
            assert isinstance(chat.screen.focused, TokenLog)
            assert "2/2" in chat.log
            assert "3 given" in " ".join(chat.log.split())
            assert any(isinstance(record, Keep) for record in chat.saved)

    async def test_in_a_comparison_every_lane_goes_on_from_it(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await chat.press("f4")
            await ask(chat, "Hi")
            await chat.press("right", "enter", "down", "enter")
            await chat.finish()
            assert chat.engine.request is None
            beside = chat.session.lanes_of(last(chat))
            assert len(beside) == 3
            assert len({log.forced for log in beside.values()}) == 1
            forced = last(chat).steps[1].text
            assert all(f"Otters{forced}" in chat.lane(name) for name in beside)

    async def test_while_a_reply_streams_it_is_stopped_first(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.say("Hi")
            await chat.step(4)
            await chat.press("tab", "left", "left", "enter", "down", "enter")
            assert chat.engine.request is not None
            assert len(chat.engine.request.forced) == 3
            first, branch = chat.session.conversation.replies.values()
            assert first.finish is not None
            assert first.finish.reason == "cancelled"
            assert branch.finish is None

    async def test_escape_goes_back_to_the_token(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("right", "enter", "down", "escape")
            assert isinstance(chat.screen.focused, TokenLog)
            assert chat.screen.view.log_view.cursor == Cursor(last(chat).id, 1)
            assert chat.screen.view.inspector.candidate is None
            assert not chat.screen.view.inspector.display, "it was not there before"

    async def test_the_candidates_follow_the_cursor(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            await chat.press("enter", "down", "right")
            assert "token 2 of" in panel(chat)
            assert isinstance(chat.screen.focused, Inspector)
            assert chat.screen.view.inspector.selected == 0

    async def test_every_candidate_can_be_reached_where_few_fit(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(80, 24)) as chat:
            await ask(chat, "Hi")
            await chat.press("enter", *["down"] * 30)
            inspector = chat.screen.view.inspector
            total = len(last(chat).steps[0].top)
            assert inspector.selected == total - 1
            assert inspector.rows < total
            candidate = inspector.candidate
            assert candidate is not None
            assert candidate.text.strip() in panel(chat)

    async def test_ids_of_other_models_are_refused_in_words(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            last(chat).session = None
            await chat.press("enter", "enter")
            assert "made with other models" in chat.notice
            assert chat.engine.request is None


class TestSiblings:
    async def test_they_are_browsed_and_what_followed_comes_back(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "one", "two")
            await chat.press("{", "{", "enter", "down", "enter")
            await chat.finish()
            assert "two" not in chat.log
            await chat.press("<")
            assert "1/2" in chat.log
            assert "two" in chat.log
            await chat.press(">")
            assert "2/2" in chat.log
            assert "two" not in chat.log

    async def test_the_cursor_stays_at_its_place(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("r")
            await chat.finish()
            await chat.press("up", "home", "right", "right", "<")
            first = next(iter(chat.session.conversation.replies.values()))
            assert chat.screen.view.log_view.cursor == Cursor(first.id, 2)

    async def test_in_a_comparison_the_lanes_turn_with_it(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await chat.press("f4")
            await ask(chat, "Hi")
            shown = chat.screen.view.lanes.lanes["before"].block
            assert shown is not None
            await chat.press("enter", "down", "enter")
            await chat.finish()
            await chat.press("<")
            block = chat.screen.view.lanes.lanes["before"].block
            assert block is not None
            assert block.id == shown.id

    async def test_without_any_it_says_how_to_make_one(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press(">")
            assert "no siblings" in chat.notice

    async def test_a_reply_can_be_named(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("l", *"odd", "enter")
            assert "“odd”" in chat.log
            assert Name(reply=last(chat).id, text="odd") in chat.saved


class TestNotes:
    async def test_a_note_about_a_token_is_shown_where_it_is(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            await chat.press("i", "right", "right", "m", *"hm", "enter")
            assert "wonderful✎!" in chat.log
            assert "✎ token 3: hm" in chat.log
            assert "✎ hm" in panel(chat)
            assert Note(about=last(chat).id, text="hm", step=2) in chat.saved
            await chat.press("right")
            assert "✎ hm" not in panel(chat)

    async def test_a_note_about_a_reply_and_taking_it_back(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("M", *"ok", "enter")
            assert "✎ ok" in chat.log
            await chat.press("M", "backspace", "backspace", "enter")
            assert "✎" not in chat.log

    async def test_notes_and_names_survive_a_restart(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("m", *"hm", "enter", "l", *"odd", "enter")
            path = chat.session.saved.recorder.path
        assert path is not None
        engines = Engines()
        session = make_session(tmp_path, engines)
        session.resume(path)
        async with open_chat(tmp_path, session=session, engines=engines) as chat:
            assert "✎ token 1: hm" in chat.log
            assert "“odd”" in chat.log

    async def test_a_hostile_note_is_shown_safely(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            chat.session.saved.note(last(chat).id, "[/x]\x1b[2J\u202e", 0)
            chat.session.saved.name(last(chat).id, "[bold]\x1b]52;c;aGk=\x07")
            chat.screen.view.log_view.renew(last(chat).id)
            await chat.press("i")
            for text in (chat.log, panel(chat)):
                assert "\x1b" not in text
                assert "\u202e" not in text
            assert "[/x]␛[2J" in chat.log


class TestColours:
    async def test_the_key_goes_through_all_of_them(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            assert not chat.screen.view.legend.display
            for title in ("KL(after‖before)", "Δ log p", "rank change", "entropy"):
                await chat.press("f6")
                assert title in legend(chat)
            await chat.press("f6")
            assert not chat.screen.view.legend.display

    async def test_the_legend_reads_the_cursor_s_token(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path, size=(120, 40)) as chat:
            await ask(chat, "Hi")
            await chat.press("f6", "right")
            assert legend(chat).endswith(f"{last(chat).steps[1].kl:.2f} nats")
            await chat.press("f6")
            logp = last(chat).steps[1].logp
            assert legend(chat).endswith(f"{logp.after - logp.before:+.2f} nats".replace("-", "−"))

    async def test_tokens_are_coloured_by_their_level(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            log = chat.screen.view.log_view
            log.set_cursor(None)
            await chat.press("f6")
            metric = chat.screen.view.legend.metric
            assert metric is not None
            drawn = {
                segment.text.strip(): segment.style
                for y in range(log.size.height)
                for segment in log.render_line(y)
            }
            for step in last(chat).steps:
                style = drawn.get(step.text.strip())
                colours = metric.colours(metric.level(step), dark=True)
                if style is None or colours is None or not step.text.strip():
                    continue
                assert style.bgcolor is not None
                assert style.bgcolor.get_truecolor().hex == colours.ground
                assert style.underline == (metric.mark(step) == "underline") or None

    async def test_n_goes_from_hunk_to_hunk(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("f6", "f6")
            metric = chat.screen.view.legend.metric
            assert metric is not None
            steps = last(chat).steps
            hunks = [
                i
                for i, step in enumerate(steps)
                if metric.is_hunk(step) and not (i and metric.is_hunk(steps[i - 1]))
            ]
            assert len(hunks) > 2
            visited = []
            for _ in hunks[:-1]:
                await chat.press("n")
                assert chat.screen.view.log_view.cursor is not None
                visited.append(chat.screen.view.log_view.cursor.step)
            assert visited == [i for i in hunks if i > 0][: len(visited)]
            await chat.press("N")
            assert chat.screen.view.log_view.cursor is not None
            assert chat.screen.view.log_view.cursor.step == visited[-2]
            for _ in hunks:
                await chat.press("n")
            assert "nothing more stands out" in legend(chat)

    async def test_without_colours_n_goes_by_kl(self, tmp_path: Path) -> None:
        """To the largest of the reply, then to the next largest; N goes back."""
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            steps = last(chat).steps
            order = sorted(range(len(steps)), key=lambda place: -steps[place].kl)
            visited = []
            for key in ("n", "n", "n", "N", "N", "N"):
                await chat.press(key)
                visited.append(cursor_step(chat))
            assert visited == [order[place] for place in (0, 1, 2, 1, 0, 0)]
            await chat.press("home", "n")
            assert cursor_step(chat) == order[0], "from anywhere else it begins anew"

    async def test_in_a_branch_n_skips_what_was_given(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await ask(chat, "Hi")
            await chat.press("home", "right", "right", "enter", "down", "down", "enter")
            await chat.finish()
            branch = last(chat)
            assert branch.reply.forced == 3
            sampled = range(3, len(branch.steps))
            order = sorted(sampled, key=lambda place: -branch.steps[place].kl)
            visited = []
            for _ in range(len(branch.steps)):
                await chat.press("n")
                visited.append(cursor_step(chat))
            assert visited == [*order, *[order[-1]] * 3]

    async def test_without_a_reply_n_says_so(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.press("tab", "n")
            assert "Nothing to go to yet." in chat.notice

    async def test_lanes_that_come_later_are_coloured_too(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            await chat.press("f6", "f4")
            await ask(chat, "Hi")
            assert all(log.metric is not None for log in chat.screen.query(TokenLog))


MARKDOWN = "# Otters\n\n- **fish**\n- `crabs`\n\n[here](http://x.y) &#27;[31m &#8238;abc"


class TestMarkdown:
    async def test_one_key_renders_and_one_brings_the_tokens_back(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.texts["amplified"] = MARKDOWN
            await ask(chat, "Hi")
            assert "**fish**" in chat.log
            await chat.press("v")
            assert "• fish" in chat.log
            assert "**" not in chat.log
            await chat.press("v")
            assert "**fish**" in chat.log

    async def test_what_is_rendered_cannot_act_on_the_terminal(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.texts["amplified"] = MARKDOWN
            await ask(chat, "Hi")
            await chat.press("v")
            assert "\x1b" not in chat.log
            assert "\u202e" not in chat.log
            assert "‹RLO›abc" in chat.log
            assert "http://x.y" in chat.log, "an address is not hidden"
            log = chat.screen.view.log_view
            links = [s.style.link for y in range(24) for s in log.render_line(y) if s.style]
            assert not any(links)

    async def test_a_reply_that_streams_stays_in_tokens(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.texts["amplified"] = MARKDOWN
            await ask(chat, "Hi")
            await chat.press("v")
            await chat.say("again")
            await chat.step(12)
            assert "**fish**" in chat.log

    async def test_moving_the_cursor_brings_the_tokens_back(self, tmp_path: Path) -> None:
        async with open_chat(tmp_path) as chat:
            chat.engine.texts["amplified"] = MARKDOWN
            await ask(chat, "Hi")
            await chat.press("v", "left")
            assert "**fish**" in chat.log
            assert chat.screen.view.log_view.cursor is not None


async def test_the_cursor_goes_from_reply_to_reply_by_their_beginnings(tmp_path: Path) -> None:
    async with open_chat(tmp_path) as chat:
        await ask(chat, "one", "two")
        first, second = (log.id for log in chat.session.conversation.replies.values())
        log = chat.screen.view.log_view
        await chat.press("right", "right", "{")
        assert log.cursor == Cursor(second, 0)
        await chat.press("{")
        assert log.cursor == Cursor(first, 0)
        await chat.press("}")
        assert log.cursor == Cursor(second, 0)
        await chat.press("}")
        assert log.cursor is None
