"""Openings as they were measured, and what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

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
    """What numbers depend on besides messages, given tokens and α.

    The two models, the other stages of their chain, whose ids are used too, and what each
    side is prompted with.
    """
    if session is None:
        return ()
    profile = session.profile
    sides = (_side(profile.get(side)) for side in ("before", "after"))
    chain = tuple(session.revisions.items())
    ids = profile.get("vocabulary", "by-name")
    return session.before, session.after, session.template_hash, ids, chain, *sides


def _side(recorded: Any) -> tuple[object, ...]:
    """What a recorded side adds to its model, revision and adapter."""
    side = recorded if isinstance(recorded, dict) else {}
    variables = side.get("template")
    told = told_apart(variables) if isinstance(variables, dict) else frozenset()
    return side.get("system"), side.get("subfolder"), told
