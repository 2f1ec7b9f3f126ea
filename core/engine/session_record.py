"""What a session is recorded with: profile, models, versions and device."""

from __future__ import annotations

import importlib.metadata
import platform

import torch

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.models.vocabulary import fingerprint
from logit_amp_chat.core.records import CacheCheck, Session, new_id, now

VERSIONED = ("logit-amp-chat", "torch", "transformers", "bitsandbytes", "peft", "accelerate")


def device_name(device: torch.device) -> str:
    """The device that the numbers were computed on, as precisely as it can be named."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return f"cpu ({platform.machine()})"


def software_versions() -> dict[str, str]:
    """The versions of what computes the numbers."""
    versions = {name: _version(name) for name in VERSIONED}
    return {"python": platform.python_version(), **versions}


def _version(package: str) -> str:
    """Its version; of a copy on the path that was never installed there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def session_record(profile: Profile, pair: Pair, caches: dict[str, CacheCheck] | None) -> Session:
    """The record that everything the engine reports belongs to."""
    chat = ChatTemplate(pair.tokenizer, pair.template, (None, None))
    return Session(
        id=new_id("s"),
        time=now(),
        profile=profile.model_dump(mode="json"),
        before=pair.infos[0],
        after=pair.infos[1],
        template_hash=chat.template_hash,
        versions=software_versions(),
        device=device_name(pair.device),
        context=pair.context,
        vocabulary=fingerprint(pair.tokenizer),
        caches=caches,
        end_of_turn=tuple(sorted(pair.end_of_turn)),
        next_turn=pair.next_turn,
        revisions=dict(pair.stages),
    )
