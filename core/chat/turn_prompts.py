"""What the models are prompted with in one turn of a chat, lane by lane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logit_amp_chat.core.chat.branches import can_branch
from logit_amp_chat.core.chat.engine_wait import Wait, engine_wait
from logit_amp_chat.core.chat.session import ChatSession, Draft
from logit_amp_chat.core.lanes import LaneAt, reply_title
from logit_amp_chat.core.prompts import PromptRequest, PromptTokens
from logit_amp_chat.core.protocol import Event, Failed
from logit_amp_chat.core.records import Message
from logit_amp_chat.core.transcripts.comparison import continued_by
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

OTHER_PAIR = "This prompt is ids of other models. Load that pair (F8) to see its text."


@dataclass
class LanePrompt:
    """The prompt of the lanes called `lanes`, which share it; `tokens` once it is rendered.

    `log` is a reply that was made from it, None where it is still to be sent.
    """

    lanes: tuple[str, ...]
    request: PromptRequest
    log: ReplyLog | None = None
    tokens: PromptTokens | None = None


class TurnPrompts:
    """The prompts of one turn; `follow` asks for them as soon as the engine is free."""

    def __init__(self, session: ChatSession, prompts: list[LanePrompt]) -> None:
        self.session = session
        self.prompts = prompts
        self.problem = ""
        """Why one of them cannot be shown."""

    @property
    def missing(self) -> LanePrompt | None:
        """The first prompt that is not rendered yet."""
        return next((prompt for prompt in self.prompts if prompt.tokens is None), None)

    def follow(self) -> None:
        """Ask for the first prompt that is missing."""
        missing = self.missing
        if missing is None or self.problem or not self.session.live.can_ask:
            return
        if missing.log is not None and not can_branch(self.session, missing.log):
            self.problem = OTHER_PAIR
            return

        def take(event: Event) -> None:
            match event:
                case PromptTokens():
                    missing.tokens = event
                case Failed():
                    self.problem = f"{event.message} {event.remedy}".strip()
                case _:
                    pass

        self.session.live.ask_prompt(missing.request, take)

    @property
    def wait(self) -> Wait:
        """Why what is missing is not there yet; "" if nothing is, or after a problem."""
        if self.missing is None or self.problem:
            return ""
        return engine_wait(self.session, PromptRequest, "rendering")


def reply_prompts(session: ChatSession, log: ReplyLog) -> TurnPrompts:
    """What a reply was prompted with, its recorded ids; in a comparison the other lanes too."""
    beside = session.lanes_of(log) if session.comparing else {}
    logs = {log.reply.lane: log, **beside}
    shared: dict[object, list[ReplyLog]] = {}
    for one in logs.values():
        shared.setdefault((one.reply.prompt, one.forced), []).append(one)
    prompts = [
        LanePrompt(
            tuple(reply_title(one.reply) for one in same),
            _recorded(session, same[0]),
            same[0],
        )
        for same in sorted(shared.values(), key=lambda same: log not in same)
    ]
    return TurnPrompts(session, prompts)


def _recorded(session: ChatSession, log: ReplyLog) -> PromptRequest:
    reply, conversation = log.reply, session.conversation
    parent = reply.parent or ""
    return PromptRequest(
        messages=conversation.prompt(parent, reply.follows),
        raw=reply.raw,
        time=reply.time or conversation.began,
        template=reply.template,
        forced=log.forced,
        recorded=reply.prompt,
    )


def draft_prompts(session: ChatSession, draft: Draft) -> TurnPrompts:
    """What the models will be prompted with when `draft` is sent, or for what waits already."""
    conversation, live = session.conversation, session.live
    parent = session.editing.parent if session.editing else conversation.leaf
    said = Message(id="", parent=parent, role="user", text=draft.text, special=draft.special)
    system = Message(id="", parent=None, role="system", text=session.system or "")
    shared: dict[tuple[Message, ...], list[str]] = {}
    for lane, node in _histories(session, parent):
        turns = [m for m in conversation.prompt(node) if m.role != "system"] if node else []
        if draft.text or not turns or turns[-1].role != "user":
            turns.append(said)
        messages = (*([] if session.system is None else [system]), *turns)
        shared.setdefault(messages, []).append(reply_title(lane))
    prompts = [
        LanePrompt(
            tuple(lanes),
            PromptRequest(
                messages=messages,
                time=conversation.began,
                template=live.template,
                begin=session.begin,
            ),
        )
        for messages, lanes in shared.items()
    ]
    return TurnPrompts(session, prompts)


def _histories(session: ChatSession, parent: str | None) -> Iterator[tuple[LaneAt, str | None]]:
    """By lane that will answer what follows `parent`: where it runs, and the end of its history."""
    conversation = session.conversation
    if not session.comparing:
        yield LaneAt(session.alpha), parent
        return
    previous = conversation.replies.get(parent or "") or conversation.previous(parent)
    own = continued_by(conversation, previous, session.lanes, own_histories=session.own_histories)
    for name, lane in session.lanes.items():
        log = own.get(name)
        yield lane, parent if log is None or log is previous else log.id
