"""A reply under every stage of its chain: asked for, taken in, kept in the transcript."""

from __future__ import annotations

from collections.abc import Sequence

from logit_amp_chat.core.analysis.stage_blame import BlamedToken
from logit_amp_chat.core.blame_record import Blamed
from logit_amp_chat.core.chat.engine_wait import Wait, engine_wait
from logit_amp_chat.core.chat.same_pair import same_chain
from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.experiments.stage_columns import StageColumns, joined
from logit_amp_chat.core.protocol import Event, Failed, Noticed
from logit_amp_chat.core.reading import Recorded, StageBlock, StageReadRequest
from logit_amp_chat.core.records import Finish, new_id
from logit_amp_chat.core.transcripts.blamed_tokens import ReplyBlame
from logit_amp_chat.core.transcripts.reply_log import ReplyLog


class BlamedReply:
    """Which stage did most of each token of a reply; `follow` asks once the engine is free.

    What was measured before is not measured again: the transcript has it.
    """

    def __init__(self, session: ChatSession, log: ReplyLog) -> None:
        self.session = session
        self.log = log
        self.problem = ""
        """Why it cannot be known."""
        self.done = 0
        """Tokens that were read so far, under the stages that are in memory."""
        self._columns: dict[tuple[str, ...], StageColumns] = {}
        self._asked = False

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the chain, in order of training."""
        if (found := self.found) is not None:
            return tuple(found.stages)
        return tuple(stage.name for stage in self.session.profile.stages)

    @property
    def found(self) -> ReplyBlame | None:
        """The reply under every stage; None before all of it was read."""
        return ReplyBlame.of(self.log)

    @property
    def tokens(self) -> Sequence[BlamedToken]:
        """The tokens under every stage; none before all are there."""
        return self.found.tokens if self.found else ()

    def follow(self) -> None:
        """Ask for what is missing."""
        if self.log.blamed or self._asked or self.problem or not self.session.live.can_ask:
            return
        if not self._is_of_the_chain():
            self.problem = "This reply was made with other models. Load its chain (F8) to blame it."
            return
        self._asked = True
        tokens = tuple(step.token for step in self.log.steps)
        content = Recorded(prompt=self.log.reply.prompt, tokens=tokens)
        request = StageReadRequest(document=new_id("d"), content=content, stages=self.stages)
        self.session.live.ask_stages(request, self._take)

    def _is_of_the_chain(self) -> bool:
        """Whether the chain that is loaded is the reply's, whichever two stages are compared."""
        opened = self.session.live.opened
        return self.session.can_compare(self.log) or (
            opened is not None and same_chain(self.log.session, opened.session)
        )

    @property
    def wait(self) -> Wait:
        """Why what is missing is not there yet; "" if nothing is, or after a problem."""
        if self.log.blamed is not None or self.problem:
            return ""
        return engine_wait(self.session, StageReadRequest, "measuring")

    def _take(self, event: Event) -> None:
        match event:
            case StageBlock():
                new = StageColumns(len(event.stages))
                columns = self._columns.setdefault(event.stages, new)
                columns.add(event)
                self.done = len(columns)
            case Finish(reason="length"):
                self._keep()
            case Finish():
                self.problem = "It was stopped before all tokens were read."
            case Failed():
                self.problem = f"{event.message} {event.remedy}".strip()
            case Noticed():
                pass
            case _:
                pass

    def _keep(self) -> None:
        tokens = list(joined([*self._columns.values()]))
        found = Blamed(
            reply=self.log.id,
            chain=self.stages,
            log_probs=tuple(one.logp for one in tokens),
            likeliest=tuple(one.best for one in tokens),
            divergences=tuple(one.kl for one in tokens),
        )
        self.session.saved.record(found)
