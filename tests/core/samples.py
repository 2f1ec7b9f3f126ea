"""Records as an engine makes them, for tests of what is made from records."""

from __future__ import annotations

import math

from logit_amp_chat.core.records import (
    Candidate,
    Change,
    Finish,
    Keep,
    LogProbs,
    Message,
    Note,
    Opening,
    PromptIds,
    Ranks,
    Record,
    Reply,
    Session,
    SideInfo,
    Step,
    Unknown,
)
from logit_amp_chat.core.sampling import Sampling


def session() -> Session:
    side = SideInfo(
        model="org/base", revision="abc", adapter=None, dtype="bfloat16", quantization="nf4"
    )
    return Session(
        id="s-1",
        time="2025-01-02T03:04:05+00:00",
        profile={"title": "A pair", "alpha": 1.0},
        before=side,
        after=side,
        template_hash=None,
        versions={"torch": "2"},
        device="cpu",
        context=512,
    )


def message(id: str = "m-1", parent: str | None = None, text: str = "Otters?") -> Message:
    return Message(id=id, parent=parent, role="user", text=text)


def reply(id: str = "r-1", parent: str = "m-1", lane: str = "amplified", alpha: float = 1) -> Reply:
    return Reply(
        id=id,
        parent=parent,
        lane=lane,
        alpha=alpha,
        seed=7,
        turn=0,
        sampling=Sampling(seed=7),
        prompt=PromptIds((1, 2), (1, 2)),
    )


def step(
    index: int,
    text: str,
    *,
    reply: str = "r-1",
    alpha: float = 1.0,
    data: bytes | None = None,
    special: bool = False,
) -> Step:
    return Step(
        reply=reply,
        index=index,
        alpha=alpha,
        token=index + 5,
        text=text,
        bytes=data.hex() if data is not None else None,
        special=special,
        logp=LogProbs(float("-inf"), -1.0, -0.5),
        rank=Ranks(9, 2, 1),
        kl=float("inf"),
        kl_amplified=0.25,
        entropy=1.5,
        top=(Candidate(5, text, float("-inf"), -1.0, -0.5),),
    )


def finish(reply: str = "r-1", tokens: int = 1) -> Finish:
    return Finish(reply=reply, reason="stop", tokens=tokens, seconds=0.5)


def opening(*path: Candidate, parent: str | None = "m-1", alpha: float = 1.0) -> Opening:
    """What may follow a path: “By” is new, “Sure” gains and is buried, “The” is half as likely."""
    before, after, amplified = (0.0, 0.6, 0.2), (0.01, 0.3, 0.4), (0.02, 0.1, 0.1)
    names = ("By", "The", "Sure")
    sides = zip(before, after, amplified, strict=True)
    top = [
        Candidate(place, name, *(math.log(p) if p else -math.inf for p in side))
        for place, (name, side) in enumerate(zip(names, sides, strict=True))
    ]
    return Opening(
        parent=parent,
        alpha=alpha,
        path=path,
        prompt=PromptIds((1, 2), (1, 2)),
        candidates=3,
        kl=0.5,
        kl_amplified=0.25,
        entropy=1.5,
        top=tuple(top),
    )


def conversation() -> list[Record]:
    """Two lanes for one message, an α change, a split character, and every type of record."""
    return [
        session(),
        message(),
        reply(),
        reply("r-2", lane="before", alpha=-1),
        step(0, "By the way"),
        step(0, "Otters", reply="r-2", alpha=-1),
        step(1, "\ufffd", data=b"\xc3"),
        step(2, "\ufffd", data=b"\xa9", alpha=2.0),
        Change(reply="r-1", index=3, sampling=Sampling(temperature=0)),
        step(3, "<|end|>", alpha=2.0, special=True),
        finish(tokens=4),
        finish("r-2"),
        Keep(reply="r-1"),
        opening(),
        opening(Candidate(0, "By", -math.inf, math.log(0.01), math.log(0.02))),
        Note(about="r-1", text="odd", step=2),
        Unknown(type="sonar", fields={"depth": [1, None]}),
        message("m-2", "r-1", "And crabs?"),
    ]
