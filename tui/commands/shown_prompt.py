"""`reply --show-prompt`: what each model would be prompted with; nothing is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from logit_amp_chat.core.api.open_pair import OpenPair
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.prompts import PromptToken, PromptTokens
from logit_amp_chat.core.text import visible
from logit_amp_chat.tui.commands.output import Progress, put_safe, say
from logit_amp_chat.tui.commands.styles import Styles, wants_colour

if TYPE_CHECKING:
    from logit_amp_chat.core.config.profile import Profile
    from logit_amp_chat.core.protocol import Request
    from logit_amp_chat.tui.commands.engine import Opener

# Around special tokens: a shape, as colours are not in a file and not for everyone.
OPENS, CLOSES = "⟦", "⟧"


def run(profile: Profile, request: Request, open_engine: Opener) -> int:
    """Print the prompt of each side on stdout; returns the exit code. Raises LogitAmpError."""
    progress = Progress()
    try:
        engine = open_engine(profile, progress)
    finally:
        progress.done()
    with OpenPair(profile, engine) as pair:
        told = pair.notices
        for notice in told:
            say(f"note: {notice}")
        prompt = pair.prompt_of(request)
    for notice in prompt.notices:
        if notice not in told:
            say(f"note: {notice}")
    put_safe(shown(prompt, Styles(wants_colour("auto"))))
    return 0


def shown(prompt: PromptTokens, styles: Styles) -> str:
    """The prompt of each side under its name; once if they are equal."""
    before, after = prompt.added
    sides = [("before", prompt.before, before), ("after", prompt.after, after)]
    if prompt.before == prompt.after:
        sides = [("before and after", prompt.after, after)]
    if prompt.given:
        sides.append(("every reply begins with", prompt.given, None))
    return "\n".join(_side(name, tokens, added, styles) for name, tokens, added in sides)


def _side(name: str, tokens: Sequence[PromptToken], added: int | None, styles: Styles) -> str:
    special = sum(token.special for token in tokens)
    said = f"{count(len(tokens), 'token')}, {special:,} of them special"
    if added is not None:
        said += f", {added:,} by the template"
    head = f"── {name}: {said} ──"
    text = "".join(
        styles.header(f"{OPENS}{visible(token.text)}{CLOSES}")
        if token.special
        else visible(token.text)
        for token in tokens
    )
    return f"{styles.bold(head)}\n{text}\n"
