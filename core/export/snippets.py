"""Texts to copy from a chat: reply, code blocks, a token's figures, the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.core.lanes import reply_title
from logit_amp_chat.core.number_format import count
from logit_amp_chat.core.records import Step
from logit_amp_chat.core.text import visible
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n`]*)$")


@dataclass(frozen=True)
class Copy:
    """One text to copy, with the key that picks it, a name and a short description."""

    key: str
    name: str
    about: str
    text: str


def copies_of(log: ReplyLog | None, step: int | None, document: str = "") -> list[Copy]:
    """What can be copied with the cursor on `step` of `log`; `document` is the conversation."""
    found: list[Copy] = []
    if log is not None and log.steps:
        found.append(Copy("y", "the reply", _glimpse(log.text), log.text))
        if step is not None:
            token = visible(log.steps[step].text, newlines=False).replace(" ", "·")
            about = f"{step + 1} of {len(log.steps)}: “{token}”"
            found.append(Copy("t", "the token's figures", about, figures(log, step)))
        for number, (language, code) in enumerate(code_blocks(log.text), 1):
            if number < 10:
                about = f"{language or 'code'}, {count(code.count(chr(10)), 'line')}"
                found.append(Copy(str(number), f"code block {number}", about, code))
    if document:
        kilobytes = len(document.encode("utf-8", "replace")) / 1000
        about = f"all of it, as Markdown, {kilobytes:.1f} kB"
        found.append(Copy("c", "the conversation", about, document))
    return found


def _glimpse(text: str) -> str:
    return " ".join(visible(text[:200]).split())


def code_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of every fenced block; an open one ends with the text."""
    fence, language, lines = "", "", list[str]()
    for line in text.splitlines():
        match = _FENCE.match(line)
        if not fence:
            if match:
                fence, language, lines = match[1], match[2].strip(), []
        elif match and match[1].startswith(fence) and not match[2].strip():
            yield language, "".join(f"{line}\n" for line in lines)
            fence = ""
        else:
            lines.append(line)
    if fence:
        yield language, "".join(f"{line}\n" for line in lines)


def figures(log: ReplyLog, index: int) -> str:
    """All numbers of one token, tab-separated for a spreadsheet; logs are in nats."""
    step = log.steps[index]
    rows: list[tuple[object, ...]] = [
        ("token", visible(step.text, newlines=False), "id", step.token),
        ("place", f"{index + 1} of {len(log.steps)}", "lane", reply_title(log.reply)),
        ("alpha", repr(step.alpha), "seed", log.reply.seed),
        ("", "before", "after", "amplified"),
        ("log p", step.logp.before, step.logp.after, step.logp.amplified),
        ("rank", step.rank.before, step.rank.after, step.rank.amplified),
        ("KL(after‖before)", step.kl, "KL(amplified‖after)", step.kl_amplified),
        ("entropy of amplified", step.entropy),
        (),
        ("candidate", "id", "log p before", "log p after", "log p amplified"),
        *_candidates(step),
    ]
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows)


def _candidates(step: Step) -> Iterator[tuple[object, ...]]:
    for one in sorted(step.top, key=lambda candidate: -candidate.amplified):
        name = visible(one.text, newlines=False)
        yield name, one.id, one.before, one.after, one.amplified


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
