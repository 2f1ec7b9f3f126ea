"""Renders the prompts of an engine's requests: at one moment, with the variables of the profile."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.config.prompt_settings import moment_of
from logit_amp_chat.core.config.stages import same_model
from logit_amp_chat.core.decoding.begun_replies import begin_notices, begun
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.begin_ids import begin_ids, means_tokens
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.side_prompt import shortened
from logit_amp_chat.core.models.template_variables import unknown_variables
from logit_amp_chat.core.models.token_offsets import Range
from logit_amp_chat.core.prompts import PromptRequest, PromptToken, PromptTokens
from logit_amp_chat.core.protocol import Noticed, Request
from logit_amp_chat.core.reading import Content, PlainText
from logit_amp_chat.core.records import Message, PromptIds, Reply, Variables, told_apart
from logit_amp_chat.core.text import Utf8Stream
from logit_amp_chat.core.transcripts.reply_parts import opens_thinking

OTHERWISE = "This is the prompt as it was recorded; the same messages are rendered differently now."

ALIKE = (
    "Without a chat template both sides have the same prompt: their own system prompts and template"
    " variables are not used."
)

# As many as the longest mark and the spaces behind it may be spelled with.
TOKENS_OF_A_MARK = 20


class PromptRenderer:
    """What an engine needs to render prompts; every notice is told once."""

    def __init__(self, profile: Profile, pair: Pair, time: str) -> None:
        """`time` is when the session was opened."""
        self._pair = pair
        self._time = time
        self._pinned = moment_of(profile.date) if profile.date else None
        self._chat = ChatTemplate(
            pair.tokenizer,
            pair.template,
            (profile.before.system, profile.after.system),
            profile.template,
            (profile.before.template, profile.after.template),
            pair.token_bytes,
        )
        self._latest = self._chat  # the one with the variables of the latest request
        self._own_prompts = (
            profile.before.system != profile.after.system or self._chat.has_own_variables
        )
        self._one_model = same_model(profile.before, profile.after)
        self._told: set[str] = set()
        self._untold: list[str] = []

    def chat(self, variables: Variables | None = None) -> ChatTemplate:
        """The template with the variables of a request; None: those of the profile."""
        if variables is None or told_apart(variables) == told_apart(self._chat.variables):
            return self._chat
        if told_apart(variables) != told_apart(self._latest.variables):
            self.tell([*unknown_variables(self._pair.template, variables)])
            self._latest = replace(self._chat, variables=dict(variables))
        return self._latest

    def moment(self, time: str | None) -> datetime:
        """The moment of a request, that of the session where it names none; or the profile's."""
        if self._pinned is not None:
            return self._pinned
        try:
            return datetime.fromisoformat(time or self._time)
        except ValueError:
            return datetime.fromisoformat(self._time)

    def ids(
        self,
        messages: Sequence[Message],
        *,
        raw: bool,
        time: str | None,
        template: Variables | None,
    ) -> PromptIds:
        """The prompt of each side. Raises as `ChatTemplate.prompts` does."""
        before, after = self.chat(template).side_prompts(messages, raw, self.moment(time))
        self.tell([*before.notices, *after.notices, *self._unused(raw=raw)])
        return PromptIds(before.ids, after.ids)

    def check_differ(self, content: Content) -> None:
        """Tell where the sides' own prompts are not used for what is to be read.

        Raises LogitAmpError where nothing else could differ.
        """
        if not isinstance(content, PlainText) or not self._own_prompts:
            return
        if self._one_model:
            raise LogitAmpError(
                "The sides are one model with two prompts, and plain text is read without a prompt:"
                " both would read it alike.",
                "Give it as the reply in a chat, a line of JSON with messages.",
            )
        self.tell([ALIKE])

    def begun(self, request: Request, prompt: PromptIds) -> Request:
        """The request with all that its replies begin with as ids; raises as `begun` does."""
        self.tell(begin_notices(self._pair, request, prompt))
        return begun(self._pair, self.chat(request.template), request, prompt)

    def recorded(self, reply: Reply, request: Request) -> Reply:
        """The reply with the moment and the variables that its prompt was rendered with.

        Also whether the prompt left thinking open.
        """
        reply = replace(reply, thinks=self._thinks(reply.prompt.after))
        if request.raw:
            return reply
        variables = dict(self.chat(request.template).variables)
        return replace(reply, template=variables, time=self.moment(request.time).isoformat())

    def _unused(self, *, raw: bool) -> list[str]:
        """That the sides' own prompts say nothing without a chat template."""
        return [ALIKE] if raw and self._own_prompts else []

    def _thinks(self, prompt: Sequence[int]) -> bool:
        ending = b"".join(map(self._pair.token_bytes.raw, prompt[-TOKENS_OF_A_MARK:]))
        return opens_thinking(ending.decode(errors="replace"))

    def tokens(self, request: PromptRequest) -> PromptTokens:
        """What a request would give to the models. Raises as `ChatTemplate.prompts` does."""
        if request.recorded is not None:
            return self._recorded_tokens(request, request.recorded)
        moment, chat = self.moment(request.time), self.chat(request.template)
        before, after = chat.side_prompts(request.messages, request.raw, moment)
        given = begin_ids(
            chat,
            (*after.ids, *request.forced),
            request.begin,
            special=means_tokens(request.messages, raw=request.raw),
        )
        told = [*before.notices, *after.notices, *self._unused(raw=request.raw)]
        told += begin_notices(self._pair, request, PromptIds(before.ids, after.ids))
        told += unknown_variables(self._pair.template, chat.variables)
        if not request.raw and (own := chat.own_words(request.messages, moment)):
            told.append(f"The chat template says of its own: {shortened(own)}")
        sides = self._described(before.ids), self._described(after.ids)
        said = (None, None) if request.raw else chat.said_ranges(request.messages, moment)
        texts = before.text, after.text
        return PromptTokens(
            before=sides[0],
            after=sides[1],
            given=self._described((*request.forced, *given)),
            notices=tuple(dict.fromkeys(told)),
            added=(_added(sides[0], texts[0], said[0]), _added(sides[1], texts[1], said[1])),
        )

    def _recorded_tokens(self, request: PromptRequest, recorded: PromptIds) -> PromptTokens:
        """The ids that a reply was prompted with, and what a rendering has to say of them."""
        with suppress(LogitAmpError):  # a template that refuses the messages
            rendered = self.tokens(replace(request, recorded=None))
            ids = [[token.id for token in side] for side in (rendered.before, rendered.after)]
            if ids == [[*recorded.before], [*recorded.after]]:
                return replace(rendered, given=self._described(request.forced))
        return PromptTokens(
            before=self._described(recorded.before),
            after=self._described(recorded.after),
            given=self._described(request.forced),
            notices=(OTHERWISE,),
        )

    def _described(self, ids: Sequence[int]) -> tuple[PromptToken, ...]:
        """Each id with the text that it completes, so that these are the whole text together."""
        steering, stream = self._chat.special_tokens.ids, Utf8Stream()
        texts = [stream.feed(self._pair.token_bytes.raw(i)) for i in ids]
        if texts:
            texts[-1] += stream.finish()
        return tuple(
            PromptToken(i, text, i in steering) for i, text in zip(ids, texts, strict=True)
        )

    def tell(self, sentences: Sequence[str]) -> None:
        """Have the sentences among the `notices`, unless they were."""
        new = [s for s in dict.fromkeys(sentences) if s not in self._told]
        self._told.update(new)
        self._untold += new

    def notices(self) -> list[Noticed]:
        """What the prompts since the last call gave reason to say."""
        untold, self._untold = self._untold, []
        return [Noticed(sentence) for sentence in untold]


def _added(tokens: Sequence[PromptToken], text: str, said: Sequence[Range] | None) -> int | None:
    """How many tokens carry no character of `text` in the ranges that were said."""
    whole = "".join(token.text for token in tokens)
    if said is None or not whole.endswith(text):
        return None
    added, end = 0, len(text) - len(whole)  # a beginning of text comes before the text
    for token in tokens:
        start, end = end, end + len(token.text)
        # One that only begins a character stands where that character does.
        added += not any(start < to and max(end, start + 1) > of for of, to in said)
    return added
