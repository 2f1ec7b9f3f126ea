"""A session in the lines around the text: status, composer title, footer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from logit_amp_chat.core import number_format
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.mirror import Mirror
from logit_amp_chat.tui.token_log.wrapping import clip

LONGEST_BEGIN = 25  # cells; the key behind it is seen at 80 columns, too


def pair_details(session: ChatSession) -> tuple[str, ...]:
    """The pair: its sides, quantization, device and memory."""
    profile, opened = session.profile, session.live.opened
    details = [f"{profile.labels.before} → {profile.labels.after}"]
    if quantization := _quantization(session):
        details.append(quantization)
    if opened is not None and session.state != "loading":
        details.append(opened.session.device)
        if opened.memory:
            details.append(number_format.quantity(opened.memory, "bytes"))
    return tuple(details)


def _quantization(session: ChatSession) -> str:
    """How both sides are quantized, of the loaded ones as they were found; "" if they are not."""
    opened = session.live.opened
    kinds: list[str] = [session.profile.quantization]
    if opened is not None and session.state != "loading":
        kinds = [opened.session.before.quantization, opened.session.after.quantization]
    kinds = [*dict.fromkeys(kinds)]
    return "" if kinds == ["none"] else " / ".join(kinds)


def figures(session: ChatSession) -> tuple[str, ...]:
    """Speed, distance of the server, context used, and whether the chat is saved."""
    live, saved = session.live, session.saved
    found: list[str] = []
    if (silence := live.silence) is not None:
        found.append(f"silent for {silence:.0f} s")
    elif (rate := live.tokens_per_second) is not None:
        found.append(f"{rate:.0f} tok/s")
    if (latency := live.link.latency) is not None:
        found.append("RECONNECTING" if math.isinf(latency) else f"{1000 * latency:.0f} ms away")
    if (used := live.context_used) is not None:
        found.append(number_format.context(*used))
    if session.state == "failed":
        found.append("not loaded")
    if saved.read_only:
        found.append("READ ONLY")
    elif saved.recorder.asked:
        stands = "chat saved" if saved.recorder.saved else "NOT SAVED"
        found.append(" · ".join(filter(None, (stands, mirrored(saved.mirror)))))
    return tuple(found)


def mirrored(mirror: Mirror | None) -> str:
    """When a file was last mirrored, or since when none could be."""
    if mirror is None:
        return ""
    at = f"{mirror.last_success:%H:%M}" if mirror.last_success else ""
    if mirror.failure is not None:
        return f"NOT MIRRORED since {at}" if at else "NOT MIRRORED"
    return f"mirrored {at}" if at else ""


def composer_title(session: ChatSession) -> str:
    """What is special about the next message and its reply, with the key that changes it."""
    begin = clip(visible(session.begin, newlines=False), LONGEST_BEGIN)
    begins = f"the reply begins with “{begin}” · esc here takes it back" if begin else ""
    return " · ".join(filter(None, (_delay(session), begins)))


def _delay(session: ChatSession) -> str:
    """Why a message would not be sent at once, and the key that changes that."""
    if session.saved.read_only:
        return "read only: nothing can be sent · ctrl+l tries again"
    if session.editing is not None:
        return "editing your last message · esc to leave it"
    if session.queued:
        return f"{len(session.queued)} waiting · esc to take back"
    if session.awaiting_models:
        return "your message is sent as soon as the models are ready"
    return ""


def spelled_tokens(text: str, known: Sequence[str], key: str, *, special: bool) -> str:
    """What becomes of the special tokens that a message spells, and the `key` that changes it."""
    found = [name for name in known if name in text]
    names = ", ".join(visible(name, newlines=False) for name in found[:2])
    if len(found) > 2:
        names += f" and {len(found) - 2} more"
    if special:
        return f"{names or 'special tokens'}: meant as such · {key} as text"
    return f"{names}: sent as text · {key} as special tokens" if found else ""


def footer_states(session: ChatSession) -> set[str]:
    """The states of the session that narrow the footer."""
    states = {
        "streaming": session.state == "busy",
        "failed": session.state == "failed"
        or session.live.silence is not None
        or session.saved.read_only,
        "comparing": session.comparing,
        "streaming lanes": session.comparing and session.state == "busy",
    }
    return {name for name, on in states.items() if on}
