"""The actions where a sweep is looked at: its screen has no others."""

from __future__ import annotations

from functools import partial

from logit_amp_chat.tui.keys.action import Actions, own_action

_action = partial(own_action, "sweep")

SWEEP: Actions = (
    _action("open", "open", "enter", "enter", "open",
            "Look at this reply token by token, with the inspector.", 2),
    _action("up", "reply(-1)", "up", "↑", "reply", "To the previous reply.", 3, opposite="↓"),
    _action("down", "reply(1)", "down", "↓", "reply", "To the next reply."),
    _action("behaviours", "behaviours", "b", "b", "behaviours …",
            "Add, change or remove what is counted; all replies are counted anew.", 4),
    _action("stop", "stop", "x", "x", "stop",
            "Begin no further reply; again: give up those that have begun.", 1,
            when="sampling"),
    _action("go_on", "go_on", "u", "u", "go on", "Go on with a sweep that has stopped.", 1,
            when="stopped"),
    _action("keep", "keep", "k", "k", "keep",
            "Keep this reply in the chat: a sibling, which the chat goes on from.", 5),
    _action("hits", "hits", "h", "h", "hits only", "Show hits only, or all replies.", 6),
    _action("alpha_left", "alpha(-1)", "left", "←", "α",
            "Show the replies at the next lower α alone; before the first, at every α.", 7,
            opposite="→"),
    _action("alpha_right", "alpha(1)", "right", "→", "α",
            "Show the replies at the next higher α alone; after the last, at every α."),
    _action("behaviour", "behaviour", "tab", "tab", "next behaviour",
            "Show the rates and the hits of the next behaviour.", 8),
    _action("search", "search", "slash", "/", "search", "Find words in the replies shown.", 9),
    _action("next", "next(1)", "n", "n", "next", "The next hit of the search.", 10,
            when="jumping"),
    _action("previous", "next(-1)", "N", "N", "previous", "The previous hit of the search.", 10,
            when="jumping"),
    _action("page_up", "page(-1)", "pageup", "pgup", "page", "A page up."),
    _action("page_down", "page(1)", "pagedown", "pgdn", "page", "A page down."),
    _action("top", "top", "home", "home", "top", "To the first reply."),
    _action("end", "end", "end", "end", "end", "To the last reply."),
    _action("mark_hit", "mark(True)", "plus", "+", "mark",
            "Say by hand that this reply shows the behaviour, whatever was counted, and go to the"
            " next; on a marked one: take it back. Ten or more say how often the counting errs.",
            14, opposite="-"),
    _action("mark_none", "mark(False)", "minus", "-", "mark",
            "Say by hand that this reply does not show the behaviour, and go to the next; on a"
            " marked one: take it back."),
    _action("more", "more", "m", "m", "more …",
            "Add αs or samples to a sweep that does not run.", 13),
    _action("new", "new", "S", "S", "new sweep",
            "Begin another sweep of this turn; this one stays.", 15),
    _action("copy", "copy", "y", "y", "copy", "Copy the reply, or the path of the folder.", 12),
    _action("picture", "picture", "p", "p", "picture", "Save this screen as a picture (SVG)."),
    _action("help", "help", "f1,question_mark", "F1", "help", "Every key and what it does.", 11),
    _action("back", "escape", "escape", "esc", "back",
            "End a search or close a notice; then back to the chat, where the sweep goes on.", 1),
)  # fmt: skip
