"""The one registry of actions: bindings, footer, help and palette are made from it.

Only keys that a plain pty inside tmux can send are used. Plain letters act in
the transcript; in the composer they are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual.binding import Binding
from textual.keys import format_key

from logit_amp_chat.tui.keys.action import DIALOGS, Action, Actions, Place
from logit_amp_chat.tui.keys.prompt_actions import PROMPT
from logit_amp_chat.tui.keys.reading_actions import READING
from logit_amp_chat.tui.keys.stage_actions import STAGES
from logit_amp_chat.tui.keys.sweep_actions import SWEEP

__all__ = [
    "ACTIONS", "DIALOGS", "FORMER_IDS", "Action", "Actions", "Place",
    "action", "bindings", "changed", "commands", "footer", "line", "title",
]  # fmt: skip

ACTIONS: Actions = (
    # --- the conversation
    Action("send", "send", "", "enter", "send", "Send the message.", "Chat", "composer", 1,
           palette=False),
    Action("newline", "", "", "ctrl+j", "new line", "Start a new line in the message.", "Chat",
           "composer", 60, palette=False),
    Action("older_message", "", "", "↑", "sent before",
           "On the first line: earlier messages, then the transcript.", "Chat",
           "composer", palette=False),
    Action("newer_message", "", "", "↓", "sent later",
           "On the last line: later messages, then your draft.", "Chat", "composer",
           palette=False),
    Action("undo", "undo", "ctrl+underscore", "ctrl+_", "undo",
           "Undo the last edit of the message.", "Chat", "composer", palette=False),
    Action("special_tokens", "special_tokens", "ctrl+y", "ctrl+y", "special tokens",
           "What the message spells like a special token is that token, or text again.", "Chat"),
    Action("editor", "editor", "ctrl+x", "ctrl+x", "editor",
           "Write the message in $VISUAL, $EDITOR or vi.", "Chat", "anywhere", 61),
    Action("stop", "escape", "escape", "esc", "stop", "Stop the reply; close a notice; leave"
           " an edit.", "Chat", rank=2, when="streaming", palette=False),
    Action("to_transcript", "to_transcript", "", "tab", "transcript",
           "Go to the transcript, also while a reply streams; so does esc with nothing to stop.",
           "Chat", "composer", 5, palette=False),
    Action("to_composer", "to_composer", "", "enter", "write",
           "Without a token: write. So do ↓ below the last line, tab (unless you compare), and"
           " any letter that does nothing here.", "Chat", "transcript", 7, when="no token",
           palette=False),
    Action("deselect", "", "", "esc", "no token",
           "Take the cursor off its token; then close the inspector. Never leaves the transcript.",
           "Chat", "transcript", 9, when="token", palette=False),
    Action("regenerate", "regenerate", "r", "r", "again", "Another reply, with a new seed.",
           "Chat", "transcript", 14),
    Action("regenerate_anywhere", "regenerate", "ctrl+r", "ctrl+r", "again",
           "Another reply, with a new seed.", "Chat", rank=45, palette=False),
    Action("edit", "edit", "e", "e", "edit", "Edit the last message, or with a token its reply;"
           " either becomes a sibling.", "Chat", "transcript", 15, when="no token"),
    Action("edit_here", "edit_reply", "", "e", "edit reply", "With a token: edit its reply.",
           "Chat", "transcript", 15, when="token", palette=False),
    Action("edit_reply", "edit_reply", "E", "E", "edit reply",
           "Edit this reply, or the last one, and go on from its text or from a place in it.",
           "Chat", "transcript"),
    Action("begin_letter", "begin", "B", "B", "begin with …",
           "Answer this message with a reply that begins with a text of yours.", "Chat",
           "transcript", 43, palette=False),
    Action("begin", "begin", "ctrl+d", "ctrl+d", "begin with …",
           "Give replies a text to begin with; esc in the composer takes it back.", "Chat",
           rank=62),
    Action("new", "new_chat", "ctrl+n", "ctrl+n", "new chat", "Start a new chat.", "Chat",
           rank=70),
    # --- α
    Action("alpha_down", "alpha_by(-0.1)", "f2", "F2", "α−", "α down by 0.1.", "α", rank=11),
    Action("alpha_up", "alpha_by(0.1)", "f3", "F3", "α+", "α up by 0.1.", "α", rank=12),
    Action("alpha_down_1", "alpha_by(-1)", "ctrl+down,shift+f2,f14", "ctrl+↓", "α−1",
           "α down by 1.", "α"),
    # A plain pty's shift+F3 looks like a cursor report and is swallowed.
    Action("alpha_up_1", "alpha_by(1)", "ctrl+up,shift+f3", "ctrl+↑", "α+1", "α up by 1.", "α"),
    Action("alpha_minus", "alpha_by(-0.1)", "minus", "-", "α−", "α down by 0.1.", "α",
           "transcript", 10, palette=False),
    Action("alpha_plus", "alpha_by(0.1)", "equals_sign,plus", "=", "α+", "α up by 0.1.", "α",
           "transcript", 11, palette=False),
    Action("alpha_minus_1", "alpha_by(-1)", "left_square_bracket", "[", "−1", "α down by 1.",
           "α", "transcript", 12, palette=False),
    Action("alpha_plus_1", "alpha_by(1)", "right_square_bracket", "]", "+1", "α up by 1.", "α",
           "transcript", 13, palette=False),
    Action("alpha_before", "alpha_to(-1)", "b", "b", "before", "α = −1: exactly before.", "α",
           "transcript", 40),
    Action("alpha_after", "alpha_to(0)", "a", "a", "after", "α = 0: exactly after.", "α",
           "transcript", 41),
    Action("alpha_one", "alpha_to(1)", "1", "1", "α 1", "α = 1.", "α", "transcript", 42),
    Action("alpha_preset", "alpha_preset", "g", "g", "preset",
           "α to the next of the profile's presets.", "α", "transcript", 39),
    Action("alpha_enter", "alpha_enter", "ctrl+g", "ctrl+g", "α …",
           "Enter any α, or choose a preset.", "α", rank=46),
    # --- looking
    Action("compare", "compare", "f4", "F4", "compare",
           "Before, after and amplified side by side.", "Look", rank=13),
    Action("compare_letter", "compare", "c", "c", "compare",
           "Before, after and amplified side by side.", "Look", "transcript", 12, palette=False),
    Action("inspect", "inspect", "f5", "F5", "inspect", "What each model wanted at a token.",
           "Look", rank=14),
    Action("inspect_letter", "inspect", "i", "i", "inspect",
           "What each model wanted at a token.", "Look", "transcript", 12, palette=False),
    Action("sort", "sort", "s", "s", "sort",
           "Sort the candidates: by amplified, by |Δ|, or by closest rival, the next to overtake.",
           "Look", "transcript", 16, when="inspecting"),
    Action("choose", "choose", "enter", "enter", "branch …",
           "List the candidates at this token, to branch from one.", "Look",
           "transcript", 7, when="token"),
    Action("openings", "openings", "o", "o", "openings",
           "What each model would begin the reply with, and what training changed there.",
           "Look", "transcript", 16),
    Action("prompt", "prompt", "P", "P", "prompt",
           "The prompt of this reply, token by token; without a cursor that of your message.",
           "Look", "transcript", 44),
    Action("older", "sibling(-1)", "less_than_sign", "<", "sibling",
           "The previous sibling: another reply to the message, or its previous version.", "Look",
           "transcript", 18),
    Action("newer", "sibling(1)", "greater_than_sign", ">", "sibling",
           "The next sibling: another reply to the message, or its next version.", "Look",
           "transcript"),
    Action("go_on", "go_on", "u", "u", "go on",
           "Continue a reply that was stopped or cut; in a comparison every lane goes on from"
           " this lane's tokens.", "Look", "transcript"),
    Action("name", "name", "l", "l", "label", "Label this reply.", "Look", "transcript"),
    Action("note", "note", "m", "m", "note", "Add a note to this token.", "Look",
           "transcript", 19),
    Action("note_reply", "note_reply", "M", "M", "note", "Add a note to this reply.",
           "Look", "transcript"),
    Action("read_text", "read_text", "f", "f", "read …",
           "Read a text or a file through both models: a diff of what each makes of it.",
           "Look", "transcript", 44),
    Action("read_message", "read_message", "F", "F", "read this",
           "Read your messages as they were prompted, at this one, or the system prompt.",
           "Look", "transcript"),
    Action("turn_sweep", "sweep", "S", "S", "sweep",
           "Sample many replies to this message at several αs, to count and to read them.",
           "Look", "transcript", 44),
    Action("raised", "raised", "d", "d", "raised",
           "List the tokens that training raised or lowered most.", "Look", "transcript", 44),
    Action("colour", "colour", "f6", "F6", "colour",
           "Colour tokens by KL, by Δ log p, by rank change, by entropy, or not.", "Look",
           rank=15),
    Action("search", "search", "slash", "/", "search",
           "Find words in the thread that is shown, not in siblings.", "Look", "transcript", 18),
    Action("next", "next(1)", "n", "n", "next",
           "The next hit; else the next token that stands out; without colours the token of the"
           " reply with the largest KL(after‖before), then the next largest.", "Look",
           "transcript", 6, when="jumping"),
    Action("previous", "next(-1)", "N", "N", "previous",
           "The previous hit, or the previous token that stands out.", "Look", "transcript", 6,
           when="jumping"),
    Action("rendered", "rendered", "v", "v", "Markdown",
           "Show finished replies as Markdown, or as tokens again.", "Look", "transcript", 43),
    Action("thinking", "thinking", "z", "z", "thinking",
           "Show what was thought before the answers, or fold it to one line again.", "Look",
           "transcript", 43),
    Action("compare_alphas", "compare_alphas", "w", "w", "which αs",
           "Choose the αs to compare with the live one.", "Look", "transcript",
           17, when="comparing"),
    Action("together", "together", "t", "t", "together",
           "Lanes scroll together by token, or each on its own.", "Look", "transcript", 19,
           when="comparing"),
    Action("keep", "keep", "k", "k", "keep", "Continue from this lane's reply.", "Look",
           "transcript", 8, when="comparing"),
    Action("histories", "histories", "h", "h", "own histories",
           "Let every lane continue its own replies, or all of them the chat's.", "Look",
           "transcript", 18, when="comparing"),
    Action("end_lane", "end_lane", "x", "x", "end lane",
           "End this lane's reply; the others go on.", "Look", "transcript", 5,
           when="streaming lanes"),
    Action("next_lane", "lane(1)", "tab", "tab", "next lane", "Go to the next lane.", "Look",
           "transcript", 8, when="comparing", palette=False),
    Action("previous_lane", "lane(-1)", "shift+tab", "shift+tab", "previous lane",
           "Go to the previous lane.", "Look", "transcript", when="comparing", palette=False),
    Action("token_left", "token(-1)", "left", "←", "token", "To the previous token.", "Look",
           "transcript", 7, palette=False, opposite="→"),
    Action("token_right", "token(1)", "right", "→", "token", "To the next token.", "Look",
           "transcript", palette=False),
    Action("word_left", "word(-1)", "ctrl+left", "ctrl+←", "word", "To the previous word.", "Look",
           "transcript", palette=False),
    Action("word_right", "word(1)", "ctrl+right", "ctrl+→", "word", "To the next word.", "Look",
           "transcript", palette=False),
    Action("reply_left", "reply(-1)", "left_curly_bracket", "{", "reply",
           "To the beginning of this reply, then of the previous one.", "Look", "transcript",
           palette=False),
    Action("reply_right", "reply(1)", "right_curly_bracket", "}", "reply",
           "To the next reply.", "Look", "transcript", palette=False),
    Action("line_up", "line(-1)", "up", "↑", "line", "To the line above.", "Look", "transcript",
           palette=False),
    Action("line_down", "line(1)", "down", "↓", "line", "To the line below.", "Look",
           "transcript", palette=False),
    Action("page_up", "page(-1)", "pageup", "pgup", "page", "A page up.", "Look",
           palette=False),
    Action("page_down", "page(1)", "pagedown", "pgdn", "page", "A page down.", "Look",
           palette=False),
    Action("top", "top", "home", "home", "top", "To the first token.", "Look", "transcript",
           palette=False),
    Action("end", "end", "end", "end", "end", "To the end, and follow new text.", "Look",
           "transcript", palette=False),
    Action("copy", "copy", "y", "y", "copy", "Copy the reply, the token, code or the chat.", "Look",
           "transcript", 17),
    Action("picture", "picture", "p", "p", "picture", "Save this screen as a picture (SVG).",
           "Look", "transcript"),
    # --- what else could have been said
    Action("branch", "branch", "enter", "enter", "go on here",
           "Branch: a sibling that takes this token and goes on at the live α.",
           "Branch", "candidates", 1, palette=False),
    Action("candidate_up", "candidate(-1)", "up", "↑", "choose", "The candidate above.",
           "Branch", "candidates", 2, palette=False, opposite="↓"),
    Action("candidate_down", "candidate(1)", "down", "↓", "choose", "The candidate below.",
           "Branch", "candidates", palette=False),
    Action("candidate_left", "token(-1)", "left", "←", "token", "The previous token.",
           "Branch", "candidates", 3, palette=False, opposite="→"),
    Action("candidate_right", "token(1)", "right", "→", "token", "The next token.", "Branch",
           "candidates", palette=False),
    Action("candidate_sort", "sort", "s", "s", "sort",
           "Sort: by amplified, by |Δ|, or by closest rival, the next to overtake.", "Branch",
           "candidates", 4, palette=False),
    Action("candidate_back", "", "", "esc", "back", "Back to the transcript.", "Branch",
           "candidates", 5, palette=False),
    # --- how a reply could begin
    Action("opening_branch", "branch", "enter", "enter", "go on here",
           "Branch: a reply that begins with these tokens and goes on at the live α.",
           "Openings", "openings", 1, palette=False),
    Action("opening_deeper", "deeper", "right", "→", "deeper",
           "Open what follows this token.", "Openings", "openings", 2, palette=False),
    Action("opening_back", "shallower", "left", "←", "close",
           "Close what follows, or go to the token before.", "Openings", "openings", 3,
           palette=False),
    Action("opening_sort", "sort", "s", "s", "sort",
           "Sort by Δ log p, by share of KL(after‖before), or by amplified.",
           "Openings", "openings", 4, palette=False),
    Action("opening_alpha_down", "alpha_by(-0.1)", "f2,minus", "F2", "α−", "α down by 0.1.",
           "Openings", "openings", 5, palette=False),
    Action("opening_alpha_up", "alpha_by(0.1)", "f3,equals_sign,plus", "F3", "α+",
           "α up by 0.1.", "Openings", "openings", 6, palette=False),
    Action("opening_alpha_down_1", "alpha_by(-1)", "left_square_bracket,ctrl+down", "[", "−1",
           "α down by 1.", "Openings", "openings", palette=False),
    Action("opening_alpha_up_1", "alpha_by(1)", "right_square_bracket,ctrl+up", "]", "+1",
           "α up by 1.", "Openings", "openings", palette=False),
    Action("opening_up", "select(-1)", "up", "↑", "select", "The row above.", "Openings",
           "openings", palette=False),
    Action("opening_down", "select(1)", "down", "↓", "select", "The row below.", "Openings",
           "openings", palette=False),
    Action("opening_page_up", "page(-1)", "pageup", "pgup", "page", "A page up.", "Openings",
           "openings", palette=False),
    Action("opening_page_down", "page(1)", "pagedown", "pgdn", "page", "A page down.",
           "Openings", "openings", palette=False),
    Action("opening_top", "select(-100000)", "home", "home", "top", "The first row.", "Openings",
           "openings", palette=False),
    Action("opening_end", "select(100000)", "end", "end", "end", "The last row.", "Openings",
           "openings", palette=False),
    Action("opening_leave", "", "", "esc", "back", "Back to the transcript.", "Openings",
           "openings", palette=False),
    *PROMPT,
    *READING,
    *SWEEP,
    *STAGES,
    # --- searching
    Action("search_go", "search_go", "enter", "enter", "go there",
           "Go to this hit; n and N go to the others.", "Search", "search", 1,
           palette=False),
    Action("search_up", "next(-1)", "up", "↑", "other places", "The previous hit.", "Search",
           "search", 2, palette=False, opposite="↓"),
    Action("search_down", "next(1)", "down", "↓", "other places", "The next hit.", "Search",
           "search", palette=False),
    Action("search_end", "", "", "esc", "end the search", "End the search.", "Search", "search",
           3, palette=False),
    # --- settings and files
    Action("sampling", "sampling", "f7", "F7", "sampling",
           "Sampling, stop strings, system prompt, template variables.", "Set", rank=20),
    Action("profiles", "profiles", "f8", "F8", "profiles", "Load another pair.", "Set", rank=21),
    Action("chats", "chats", "f9,ctrl+o", "F9", "chats", "Open a saved chat and continue it.",
           "Set", rank=22),
    Action("export", "export", "ctrl+t", "ctrl+t", "export",
           "Export this chat as a page, Markdown, text or JSON.", "Set", rank=47),
    Action("reload", "reload", "ctrl+l", "ctrl+l", "reload", "Load the models again.", "Set",
           rank=3, when="failed"),
    Action("help_letter", "help", "question_mark", "?", "help", "Every key and what it does.",
           "Set", "transcript", 49, palette=False),
    Action("help", "help", "f1", "F1", "help", "Every key and what it does.", "Set", rank=10),
    Action("palette", "palette", "ctrl+p", "ctrl+p", "all commands", "Find a command by name.",
           "Set", rank=48, palette=False),
    # --- the list of saved chats
    Action("rename_chat", "rename_chat", "f2", "F2", "rename", "Give the chat a title.", "Chats",
           "chats", 1, palette=False),
    Action("duplicate_chat", "duplicate_chat", "f3", "F3", "copy",
           "Copy the chat, to continue in the copy.", "Chats", "chats", 2, palette=False),
    Action("delete_chat", "delete_chat", "f4", "F4", "delete", "Delete the chat.", "Chats",
           "chats", 3, palette=False),
    Action("undelete_chat", "undelete_chat", "f5", "F5", "undo",
           "Bring back the chat that was deleted last.", "Chats", "chats", 4, palette=False),
    Action("suspend", "suspend", "ctrl+z", "ctrl+z", "to the shell",
           "Suspend to the shell; `fg` brings the chat back.", "Set", rank=63),
    Action("quit", "quit", "ctrl+q,f10", "ctrl+q", "quit", "Save and quit.", "Set", rank=50),
    Action("interrupt", "interrupt", "ctrl+c", "ctrl+c", "stop or quit",
           "Copy the selection; stop the reply; twice: quit.", "Set", palette=False),
)  # fmt: skip

# Names that keys.yaml files may still use.
FORMER_IDS = {"sweep": "compare_alphas", "to_transcript_tab": "to_transcript"}


def bindings(place: Place) -> list[Binding]:
    """The bindings of one place; those that work anywhere come before any widget's own."""
    return [
        Binding(
            action.keys,
            f"screen.{action.run}",
            action.label,
            id=action.id,
            show=False,
            key_display=action.display,
            priority=place == "anywhere",
        )
        for action in ACTIONS
        if action.place == place and action.keys
    ]


def changed(keys: Mapping[str, str]) -> Actions:
    """All actions, some of them with other keys: comma-separated, by the action's id."""
    return tuple(
        replace(action, keys=keys[action.id], display=_display(keys[action.id]), opposite="")
        if action.id in keys
        else action
        for action in ACTIONS
    )


def _display(keys: str) -> str:
    """The first of some keys as people write it."""
    *modifiers, bare = keys.partition(",")[0].split("+")
    if bare[:1] == "f" and bare[1:].isdigit():
        bare = bare.upper()
    elif bare != "enter":  # a word that every keyboard bears
        bare = format_key(bare)
    return "+".join([*modifiers, bare])


def action(id: str, actions: Actions = ACTIONS) -> Action:
    """The action of that id."""
    return next(action for action in actions if action.id == id)


def line(
    place: Place, first: str, last: str, actions: Actions = ACTIONS, states: Iterable[str] = ()
) -> str:
    """The keys of a dialog in one line, most important first."""
    here = (a for a in actions if a.place == place and a.rank)
    own = sorted((a for a in here if not a.when or a.when in states), key=lambda a: a.rank)
    return " · ".join([first, *(f"{a.display} {a.label}" for a in own), last])


def footer(place: Place, states: Iterable[str] = (), actions: Actions = ACTIONS) -> Actions:
    """The actions for the footer where the keyboard is `place`, most important first."""
    states = set(states)
    found = [
        action
        for action in actions
        if action.rank
        and (action.place == place or (action.place == "anywhere" and place not in DIALOGS))
        and (not action.when or action.when in states)
        and action.id not in _out_of_force(place, states)
    ]
    if place == "transcript":  # a plain letter beats the same action on a longer key
        short = {action.run for action in found if action.place == "transcript"}
        found = [a for a in found if a.place == "transcript" or a.run not in short]
    return tuple(sorted(found, key=lambda action: action.rank))


def _out_of_force(place: Place, states: set[str]) -> tuple[str, ...]:
    """What esc does not do because it does something nearer; send, which waits its turn."""
    if "streaming" not in states:
        return ()
    if place in ("candidates", "search") or (place == "transcript" and "token" in states):
        return ("stop",)
    return ("send",)


def commands(actions: Actions = ACTIONS) -> Actions:
    """What the palette offers: every action once."""
    return tuple(action for action in actions if action.palette and action.run)


def title(action: Action) -> str:
    """What the palette calls it."""
    return action.help.rstrip(".")
