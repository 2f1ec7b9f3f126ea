"""Openings as they were measured, and what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from logit_amp_chat.core.records import Opening, Session, Variables, told_apart
from logit_amp_chat.core.sampling import Ends

NO_VARIABLES: Variables = MappingProxyType({})


@dataclass(frozen=True)
class OpeningLog:
    """What was measured after a path, and the session that did it."""

    opening: Opening
    session: Session | None

    @property
    def key(self) -> tuple[object, ...]:
        """A later one with the same key replaces it."""
        opening = self.opening
        return opening_key(opening.ids, opening.alpha, opening.ends, opening.template, self.session)


def opening_key(
    path: tuple[int, ...],
    alpha: float,
    ends: Ends,
    template: Variables,
    session: Session | None,
) -> tuple[object, ...]:
    """What tells what was measured of one message apart."""
    return path, alpha, ends, told_apart(template), measured_with(session)


def measured_with(session: Session | None) -> tuple[object, ...]:
    """What numbers depend on besides messages, given tokens and α: models, template, systems."""
    if session is None:
        return ()
    profiles = [session.profile.get(side) for side in ("before", "after")]
    systems = [str(p.get("system") if isinstance(p, dict) else None) for p in profiles]
    return session.before, session.after, session.template_hash, *systems
