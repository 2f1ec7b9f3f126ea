"""The actions on the stages of a chain, in the transcript."""

from __future__ import annotations

from logit_amp_chat.tui.keys.action import Action, Actions

STAGES: Actions = (
    Action("stages", "stages", "T", "T", "stages",
           "Choose which two stages of the chain are compared; the chat goes on.", "Set",
           "transcript"),
    Action("blame", "blame", "W", "W", "who did it",
           "Which stage of the chain did most of each token of this reply.", "Look",
           "transcript"),
)  # fmt: skip
