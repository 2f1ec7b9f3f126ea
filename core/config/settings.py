"""A user's own settings: a YAML file in the config folder, for what is no matter of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from logit_amp_chat.core.config.yaml_file import YamlFile
from logit_amp_chat.core.errors import ProfileError, UsageError


class Settings(BaseModel):
    """What settings.yaml may contain."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mirror: Annotated[str | None, Field(min_length=1)] = None


def settings_path() -> Path:
    """Where a user's settings are looked for."""
    return platformdirs.user_config_path("logit-amp-chat") / "settings.yaml"


def read_settings(path: Path) -> Settings:
    """The settings of a file; the defaults where there is none.

    Raises UsageError that names file, line, key and expectation.
    """
    if not path.exists():
        return Settings()
    try:
        file = YamlFile.read(path)
        if not isinstance(file.data, dict | None):
            raise file.error((), "expected lines such as mirror: /mnt/chats")
        return Settings.model_validate(file.data or {})
    except ValidationError as error:
        wrong = file.explain(error, Settings)
    except ProfileError as error:
        wrong = error
    raise UsageError(wrong.message, wrong.remedy)
