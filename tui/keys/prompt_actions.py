"""The actions where a prompt is looked at."""

from __future__ import annotations

from functools import partial

from logit_amp_chat.tui.keys.action import Actions, own_action

_action = partial(own_action, "prompt")

PROMPT: Actions = (
    # --- what the models are prompted with
    _action("up", "scroll(-1)", "up", "↑", "scroll", "A line up."),
    _action("down", "scroll(1)", "down", "↓", "scroll", "A line down."),
    _action("page_up", "page(-1)", "pageup", "pgup", "page", "A page up."),
    _action("page_down", "page(1)", "pagedown,space", "pgdn", "page", "A page down."),
    _action("top", "top", "home", "home", "top", "To the beginning."),
    _action("end", "end", "end", "end", "end", "To the end, where the reply begins."),
    _action("next", "next(1)", "n", "n", "difference",
            "To the next hit of a search, or to where the sides begin to differ.", 2,
            when="differing"),
    _action("previous", "next(-1)", "N", "N", "hit before", "To the hit before."),
    _action("search", "search", "slash", "/", "search", "Find words in the prompt.", 5),
    _action("next_lane", "lane(1)", "right", "→", "lane",
            "The prompt of the next lane, where lanes have prompts of their own.", 3,
            when="several lanes"),
    _action("previous_lane", "lane(-1)", "left", "←", "lane",
            "The prompt of the lane before."),
    _action("copy", "copy", "y", "y", "copy", "Copy the text or the ids.", 4),
    _action("back", "", "", "esc", "back", "Back to the transcript."),
)  # fmt: skip
