"""The actions where a text is read through both models: the reading screen has no others."""

from __future__ import annotations

from functools import partial

from logit_amp_chat.tui.keys.action import Actions, own_action

_action = partial(own_action, "reading")

READING: Actions = (
    # --- a text that is read through both models
    _action("next", "next(1)", "n", "n", "hunk", "To the next hunk, or the next hit of a search.",
            1, opposite="N"),
    _action("previous", "next(-1)", "N", "N", "hunk",
            "To the hunk before, or the hit before."),
    _action("go_on", "go_on", "u", "u", "go on here",
            "Go on from this token, at the live α: from a text in a new chat, which begins with"
            " what stands before; from a sweep's reply in its chat.", 2, when="token"),
    _action("choose", "choose", "enter", "enter", "candidates",
            "List the candidates at this token, to go on with one of them.", 3, when="token"),
    _action("inspect", "inspect", "i,f5", "i", "inspect", "What each model wanted at a token.", 5),
    _action("sort", "sort", "s", "s", "sort",
            "Sort the candidates: by amplified, by |Δ|, or by closest rival, the next to"
            " overtake.", 10, when="inspecting"),
    _action("colour", "colour", "f6", "F6", "colour",
            "Colour tokens by KL, by Δ log p, by rank change, by entropy, or not.", 6),
    _action("search", "search", "slash", "/", "search", "Find words in the text.", 7),
    _action("stop", "escape", "escape", "esc", "stop", "Stop reading.", 4, when="streaming"),
    _action("back", "", "", "esc", "back",
            "End a search, close a notice or the inspector; then back to the chat.", 4,
            when="read"),
    _action("token_left", "token(-1)", "left", "←", "token", "To the previous token.", 8,
            opposite="→"),
    _action("token_right", "token(1)", "right", "→", "token", "To the next token."),
    _action("word_left", "word(-1)", "ctrl+left", "ctrl+←", "word", "To the previous word."),
    _action("word_right", "word(1)", "ctrl+right", "ctrl+→", "word", "To the next word."),
    _action("line_up", "line(-1)", "up", "↑", "line", "To the line above."),
    _action("line_down", "line(1)", "down", "↓", "line", "To the line below."),
    _action("page_up", "page(-1)", "pageup", "pgup", "page", "A page up."),
    _action("page_down", "page(1)", "pagedown", "pgdn", "page", "A page down."),
    _action("top", "top", "home", "home", "top", "To the first token."),
    _action("end", "end", "end", "end", "end", "To the end."),
    _action("copy", "copy", "y", "y", "copy", "Copy the text, or the token.", 12),
    _action("export", "export", "ctrl+t", "ctrl+t", "export",
            "Export what was read as a page, Markdown, text or JSON.", 11),
    _action("picture", "picture", "p", "p", "picture", "Save this screen as a picture (SVG)."),
    _action("help", "help", "f1,question_mark", "F1", "help", "Every key and what it does.", 9),
)  # fmt: skip
