"""A published sweep, as the folder that it would have been counted in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from logit_amp_chat.core.experiments.sweep.folder import Contents, SweepFolder
from logit_amp_chat.core.experiments.sweep.published import Published
from logit_amp_chat.core.experiments.sweep.settings import FREE, SweepSettings
from logit_amp_chat.core.records import Session, SideInfo, now
from logit_amp_chat.core.sampling import Sampling

UNKNOWN = "not recorded"
_NUMBERS = {"temperature": float, "top_p": float, "top_k": int, "max_new_tokens": int}


def as_folder(published: Published, path: Path) -> SweepFolder:
    """Its replies, to be counted; nothing is written. `path` is the file that they are from."""
    settings = published.settings
    sides = [
        SideInfo(
            model=str(settings.get(name) or UNKNOWN),
            revision=None,
            adapter=None,
            dtype=UNKNOWN,
            quantization=UNKNOWN,
        )
        for name in ("model_before", "model_after")
    ]
    session = Session(
        id="imported",
        time=now(),
        profile={"name": path.name, "title": path.name},
        before=sides[0],
        after=sides[1],
        template_hash=None,
        versions={},
        device=UNKNOWN,
        context=0,
    )
    alphas = tuple(sorted({reply.alpha for reply in published.replies}))
    samples = max((reply.n + 1 for reply in published.replies), default=0)
    contents = Contents(
        settings=SweepSettings(alphas=alphas, samples=samples, sampling=_sampling(settings)),
        session=session,
        prompts=published.prompts,
        there={reply.id for reply in published.replies},
        published={name: settings[name] for name in _NUMBERS if name in settings},
    )
    return SweepFolder(path, None, contents, published.replies)


def _sampling(settings: dict[str, Any]) -> Sampling:
    """What the file says of it; what it does not say, or says out of range, is off."""
    said = {
        name: kind(settings[name])
        for name, kind in _NUMBERS.items()
        if isinstance(settings.get(name), int | float)
    }
    try:
        return Sampling.model_validate(FREE | {"plausibility": 0.0} | said)
    except ValueError:
        return Sampling.model_validate(FREE | {"plausibility": 0.0})
