"""What ends a reply by itself."""

from __future__ import annotations

from dataclasses import dataclass

from logit_amp_chat.core.records import Session


@dataclass(frozen=True, slots=True)
class TurnEnds:
    """A reply ends after any of the tokens `ids`, and before any of `texts` unless it is raw.

    The texts are those with which a chat template goes on after a reply, where no token ends it.
    """

    ids: frozenset[int] = frozenset()
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, session: Session | None) -> TurnEnds | None:
        """Those of a recorded session; None where its record does not say them."""
        if session is None or not (session.end_of_turn or session.next_turn):
            return None
        return cls(frozenset(session.end_of_turn), session.next_turn)
