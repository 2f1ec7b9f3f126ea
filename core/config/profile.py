"""Profiles: YAML files that describe a pair and its defaults.

The schema is a contract that scripts rely on: only `before` and `after` are
required, everything else has the defaults below.
"""

from __future__ import annotations

import difflib
import importlib.resources
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from logit_amp_chat.core.config.prompt_settings import TemplateVariables, check_date
from logit_amp_chat.core.config.yaml_file import Location, YamlFile
from logit_amp_chat.core.errors import ProfileError, UsageError
from logit_amp_chat.core.lanes import means_lane
from logit_amp_chat.core.records import Session
from logit_amp_chat.core.sampling import Sampling

Quantization = Literal["nf4", "int8", "none"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]
EngineName = Literal["local", "vllm"]
Vocabulary = Literal["by-name", "by-id"]
"""Whether an id must have one name on both sides, or is one token whatever they call it."""

SUFFIXES = (".yaml", ".yml")
DEFAULT = "demo"
PRESETS = (-1.0, 0.0, 0.5, 1.0, 2.0)
"""The αs that one key cycles through, unless a profile names others."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Side(_Part):
    """A model by Hub id, folder or GGUF file; the other fields make it one training stage."""

    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    adapter: str | None = None
    subfolder: str | None = None
    system: str | None = None
    template: TemplateVariables = {}

    def located(self) -> tuple[str, str | None]:
        """The folder or Hub id, and the GGUF file in it if the side is one.

        A file of a Hub repository is `owner/name/FILE.gguf`, or the `subfolder`.
        """
        if self.subfolder and is_gguf(self.subfolder):
            return self.model, self.subfolder
        path = Path(self.model)
        if is_gguf(self.model) and path.is_absolute():
            return str(path.parent), path.name
        if is_gguf(self.model) and len(path.parts) > 2:
            return "/".join(path.parts[:2]), "/".join(path.parts[2:])
        return self.model, None


class Stage(Side):
    """A side with a name: one stage of a chain."""

    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]

    @property
    def side(self) -> Side:
        """The stage without its name."""
        return Side(**{key: value for key, value in self if key != "name"})


AnySide = TypeVar("AnySide", bound=Side)


def is_gguf(name: str) -> bool:
    """Whether a path is that of a GGUF file, by its name."""
    return name.lower().endswith(".gguf")


# Arguments of vLLM's engine that have keys of their own, or that a pair depends on.
# fmt: off
OURS = frozenset((
    "model", "dtype", "max_model_len", "tensor_parallel_size", "gpu_memory_utilization",
    "quantization", "trust_remote_code", "hf_overrides", "worker_cls", "worker_extension_cls",
    "logits_processors", "skip_tokenizer_init", "async_scheduling", "speculative_config",
    "pipeline_parallel_size", "enable_lora", "max_loras", "max_lora_rank", "max_cpu_loras",
    "lora_target_modules",
))
# fmt: on


def _not_ours(arguments: dict[str, Any]) -> dict[str, Any]:
    for name in arguments:
        if name in OURS:
            raise ValueError(f"{name} cannot be set here")
    return arguments


class Labels(_Part):
    """The names of the two sides on the screen."""

    before: str = "before"
    after: str = "after"


class Needs(_Part):
    """What two sides need: GB (10⁹ bytes) of memory at their quantization, and to download.

    `stage_memory_gb` is what one stage of a chain needs; all of its stages are downloaded.
    """

    memory_gb: Annotated[float | None, Field(ge=0)] = None
    stage_memory_gb: Annotated[float | None, Field(ge=0)] = None
    download_gb: Annotated[float | None, Field(ge=0)] = None
    gated: bool = False


class VllmSettings(_Part):
    """How vLLM is started where the engine is `vllm`; what is None it chooses itself.

    `quantization` is one of vLLM's own kinds; `arguments` are further ones of its engine, with
    the names that its Python interface has.
    """

    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    max_model_len: Annotated[int | None, Field(ge=2)] = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    quantization: str | None = None
    arguments: Annotated[dict[str, Any], AfterValidator(_not_ours)] = {}


class ProfileFile(_Part):
    """What a profile's YAML may contain: `before` and `after`, or the `stages` of a chain.

    `pair` are the stages that are compared (default: the first and the last).
    """

    title: str = ""
    before: Side | None = None
    after: Side | None = None
    stages: Annotated[tuple[Stage, ...], Field(strict=False)] = ()
    pair: Annotated[tuple[str, str] | None, Field(strict=False)] = None
    labels: Labels = Labels()
    quantization: Quantization = "none"
    dtype: Dtype = "bfloat16"
    vocabulary: Vocabulary = "by-name"
    engine: EngineName = "local"
    vllm: VllmSettings = VllmSettings()
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:\d+)$")] = "auto"
    system: str | None = None
    template: TemplateVariables = {}
    date: Annotated[str, AfterValidator(check_date)] | None = None
    alpha: float = 0.0
    presets: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = PRESETS
    sampling: Sampling = Sampling()
    trust_remote_code: bool = False
    trust_caches: bool = False
    needs: Needs | None = None


class Profile(ProfileFile):
    """A profile ready to open: named, with local folders resolved and two sides chosen.

    Of a chain `pair` says which of its stages they are.
    """

    before: Side
    after: Side
    name: str
    path: Path | None = None


def check_local(profile: Profile) -> None:
    """Check that what loads models here was asked for. Raises UsageError."""
    if profile.engine != "local":
        raise UsageError(
            f"This is not done with engine: {profile.engine}.",
            "Use engine: local (--engine local).",
        )


@dataclass(frozen=True)
class BrokenProfile:
    """A profile that exists but cannot be used."""

    name: str
    path: Path
    error: ProfileError


# --- finding --------------------------------------------------------------------


def shipped_folder() -> Path:
    """The folder of the profiles that come with the package."""
    return Path(str(importlib.resources.files("logit_amp_chat.profiles")))


def user_folder() -> Path:
    """The folder of the user's own profiles, which override shipped ones of the same name."""
    return platformdirs.user_config_path("logit-amp-chat") / "profiles"


def _named_files() -> dict[str, Path]:
    """Every profile that can be opened by name: the demo, then the others by name."""
    found: dict[str, Path] = {}
    for folder in (shipped_folder(), user_folder()):
        try:
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            raise ProfileError(
                f"Cannot read the folder of profiles {folder}: {error.strerror}.",
                "Check its permissions.",
            ) from error
        found |= {p.stem: p for p in paths if p.suffix in SUFFIXES}
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT, item[0])))


def list_profiles() -> list[Profile | BrokenProfile]:
    """The shipped profiles and the user's, demo first; broken ones with their error."""
    profiles: list[Profile | BrokenProfile] = []
    for name, path in _named_files().items():
        try:
            profiles.append(read_profile(path, name))
        except ProfileError as error:
            profiles.append(BrokenProfile(name, path, error))
    return profiles


def load_profile(name_or_path: str) -> Profile:
    """The profile of that name, or in that file.

    Raises ProfileError if there is none, or if it is invalid.
    """
    path = user_path(name_or_path)
    if path.suffix in SUFFIXES or path.name != name_or_path:
        return read_profile(path, str(path))
    files = _named_files()
    if named := files.get(name_or_path):
        return read_profile(named, name_or_path)
    if path_exists(path.is_file):
        return read_profile(path, str(path))
    raise ProfileError(f"There is no profile {name_or_path!r}.", _nearest(name_or_path, files))


def _nearest(name: str, names: Iterable[str]) -> str:
    """A remedy that suggests the closest names."""
    close = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}`logit-amp-chat profiles` lists them all."


# --- reading --------------------------------------------------------------------


def read_profile(path: Path, name: str) -> Profile:
    """The profile in a YAML file. Raises ProfileError naming file, line, key and expectation."""
    file = YamlFile.read(path)
    try:
        checked = ProfileFile.model_validate(file.data)
    except ValidationError as error:
        raise file.explain(error, ProfileFile) from None
    folder = path.parent.absolute()
    chosen = (
        _chain_sides(checked, folder, file) if checked.stages else _sides(checked, folder, file)
    )
    title = checked.title or path.stem
    return Profile(**{**dict(checked), **chosen, "title": title}, name=name, path=path.absolute())


def _sides(checked: ProfileFile, folder: Path, file: YamlFile) -> dict[str, Any]:
    """The two sides of a pair."""
    if checked.pair is not None:
        raise file.error(("pair",), "names stages, and there are no stages")
    found: dict[str, Any] = {}
    for key in ("before", "after"):
        side: Side | None = getattr(checked, key)
        if side is None:
            raise file.error((key,), "missing; expected a side, or the stages of a chain")
        found[key] = _resolve(side, folder, file, (key,))
    return found


def _chain_sides(checked: ProfileFile, folder: Path, file: YamlFile) -> dict[str, Any]:
    """The stages of a chain, and the two of them that are its pair."""
    for key in ("before", "after", "labels"):
        if key in checked.model_fields_set:
            raise file.error((key,), "a chain has stages instead")
    stages = tuple(
        _resolve(stage, folder, file, ("stages", n)) for n, stage in enumerate(checked.stages)
    )
    names = [stage.name for stage in stages]
    if len(names) < 2:
        raise file.error(("stages",), "a chain has two stages or more")
    for n, name in enumerate(names):
        if means_lane(name):
            raise file.error(
                ("stages", n, "name"),
                f"{name} cannot be the name of a stage: lanes are called before, after, amplified,"
                " all, or by a number",
            )
        if name in names[:n]:
            raise file.error(("stages", n, "name"), f"there is a stage {name} already")
    pair = checked.pair or (names[0], names[-1])
    for n, name in enumerate(pair):
        if name not in names:
            raise file.error(("pair", n), f"there is no stage {name}; there are {', '.join(names)}")
    before, after = (stages[names.index(name)].side for name in pair)
    labels = Labels(before=pair[0], after=pair[1])
    return {"stages": stages, "pair": pair, "before": before, "after": after, "labels": labels}


def _resolve(side: AnySide, folder: Path, file: YamlFile, where: Location) -> AnySide:
    """The side with local folders made absolute, relative to the profile's folder."""
    local: dict[str, str] = {}
    for part in ("model", "adapter"):
        name = getattr(side, part)
        if name is None:
            continue
        try:
            local[part] = local_or_hub(name, folder)
        except ProfileError as error:
            raise file.error((*where, part), error.message.rstrip(".")) from None
    return side.model_copy(update=local)


def local_or_hub(name: str, folder: Path) -> str:
    """An absolute path if `name` is a folder or GGUF file relative to `folder`; else a Hub id.

    Raises ProfileError for what can only be a path but does not exist.
    """
    if not name:
        raise ProfileError("The model has no name.", "Give a Hub id or a folder.")
    path = folder / user_path(name)
    if path_exists(path.is_dir):
        return str(path.resolve())
    if is_gguf(name) and path_exists(path.is_file):
        return str(path.parent.resolve() / path.name)
    if is_gguf(name) and (name.startswith((".", "/", "~")) or "/" not in name):
        raise ProfileError(
            f"The file {path} does not exist.",
            "Check the path; a file on the Hub is OWNER/NAME/FILE.gguf.",
        )
    if name.startswith((".", "/", "~")):
        raise ProfileError(f"The folder {path} does not exist.", "Check the path.")
    return name


def user_path(name: str) -> Path:
    """The path with ~ resolved; ~ of an unknown user is left alone."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def path_exists(check: Callable[[], bool]) -> bool:
    """The result of `check`; False if the path cannot be checked (too long, no permission)."""
    try:
        return check()
    except OSError:
        return False


def recorded_profile(session: Session) -> Profile | None:
    """The profile a session was recorded with; None if this version cannot read it."""
    return profile_of_record(session.profile)


def profile_of_record(record: Mapping[str, Any]) -> Profile | None:
    """The profile that was saved as JSON; None if this version cannot read it.

    A file must not decide what code is run: `trust_remote_code` is turned off.
    """
    try:
        profile = Profile.model_validate_json(json.dumps(record))
    except (ValidationError, RecursionError):
        return None
    return profile.model_copy(update={"trust_remote_code": False})
