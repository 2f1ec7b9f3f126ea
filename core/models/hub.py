"""Finds a side's files: in a local folder, or in the Hub's cache."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from huggingface_hub import constants, get_session, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from logit_amp_chat.core.config.profile import Side, is_gguf
from logit_amp_chat.core.errors import PairError, ProfileError
from logit_amp_chat.core.models.load_progress import watched_bar
from logit_amp_chat.core.protocol import Loading

DESCRIPTION_FILES = ["*.json", "*.model", "*.txt", "*.jinja", "*.py"]
WEIGHT_FILES = ["*.safetensors"]
# Meta's repositories contain the weights twice.
IGNORED = ["original/*", "onnx/*"]


HUB_SECONDS = 5.0
"""How long the Hub may take for its first answer; without this limit it may take for ever."""

ASK_AGAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Source:
    """A folder with a model's files; `revision` is the Hub's commit, None for a local folder.

    `gguf` names the file in the folder that holds everything, None if the model is saved as
    safetensors.
    """

    name: str
    folder: Path
    revision: str | None
    root: Path
    subfolder: str | None = None
    requested: str | None = None
    gguf: str | None = None

    @property
    def local(self) -> bool:
        """Whether it was given as a local folder."""
        return self.revision is None

    @property
    def weights(self) -> Path:
        """Where the weights are: the folder, or the GGUF file. Two sides with one share them."""
        return self.folder / self.gguf if self.gguf else self.folder


def model_source(side: Side, report: Callable[[Loading], None]) -> Source:
    """A side's configuration and tokenizer files, downloaded where needed. Raises PairError.

    A GGUF file is downloaded whole.
    """
    name, gguf = side.located()
    if gguf is None:
        source = _source(name, side.revision, side.subfolder, DESCRIPTION_FILES, report)
        return replace(source, gguf=_only_gguf(source))
    folder, _, file = gguf.rpartition("/")
    source = _source(name, side.revision, folder or None, [*DESCRIPTION_FILES, gguf], report)
    if not (source.folder / file).is_file():
        raise PairError(f"{name} has no file {gguf}.", "Check its name.")
    return replace(source, name=side.model, gguf=file)


def _only_gguf(source: Source) -> str | None:
    """The GGUF file of a local folder without other weights. Raises PairError if it has several."""
    if not source.local or any(source.folder.glob("*.safetensors")):
        return None
    files = sorted(path.name for path in source.folder.iterdir() if is_gguf(path.name))
    if len(files) > 1:
        raise PairError(
            f"{source.name} has several GGUF files: {', '.join(files[:5])}.",
            f"Name one of them, as in {source.name}/{files[0]}.",
        )
    return files[0] if files else None


def adapter_source(name: str, report: Callable[[Loading], None]) -> Source:
    """An adapter's files. Raises PairError if it has no safetensors weights."""
    source = _source(name, None, None, [*DESCRIPTION_FILES, *WEIGHT_FILES], report)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        if not (source.folder / file).exists():
            raise PairError(
                f"The adapter {name} has no {file}.",
                "It must be a PEFT adapter saved as safetensors.",
            )
    return source


def adapter_base(adapter: str, report: Callable[[Loading], None] = lambda _: None) -> str:
    """The model an adapter was trained on, from its own configuration.

    Raises PairError if there is no such adapter, ProfileError if it does not
    name its model.
    """
    model = trained_on(adapter_source(adapter, report))
    if model is None:
        raise ProfileError(
            f"The adapter {adapter} does not name its base model.",
            "Name the model with --before or --after.",
        )
    return model


def trained_on(adapter: Source) -> str | None:
    """The model that an adapter's configuration names as its base, if it names one."""
    config = adapter.folder / "adapter_config.json"
    try:
        model = json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return model if isinstance(model, str) and model else None


def complete(source: Source, report: Callable[[Loading], None]) -> Source:
    """The same source with its weights.

    Raises PairError if they are neither safetensors nor a GGUF file.
    """
    if source.gguf:
        return source
    if not source.local:
        source = _source(
            source.name,
            source.requested,
            source.subfolder,
            [*DESCRIPTION_FILES, *WEIGHT_FILES],
            report,
        )
    if not any(source.folder.glob("*.safetensors")):
        raise PairError(
            f"{source.name} has no safetensors weights in {source.folder}.",
            "Only safetensors and GGUF are loaded; convert the weights with save_pretrained.",
        )
    return source


def lacking(source: Source) -> int | None:
    """How many bytes `complete` would download; None where that cannot be known."""
    if source.local or source.gguf:
        return 0
    try:
        with _retries_unsaid():
            files = snapshot_download(
                source.name,
                revision=source.requested,
                allow_patterns=WEIGHT_FILES,
                ignore_patterns=IGNORED,
                tqdm_class=watched_bar(lambda *_: None, unit="B"),
                local_files_only=not _hub_answers(),
                dry_run=True,
            )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        return None  # as where the Hub cannot be reached
    return sum(file.file_size or 0 for file in files if file.will_download)


def _source(
    name: str,
    revision: str | None,
    subfolder: str | None,
    patterns: list[str],
    report: Callable[[Loading], None],
) -> Source:
    root = Path(name).expanduser()
    if root.is_dir():
        commit = None
    elif name.startswith((".", "/", "~")):
        raise PairError(f"There is no folder {name}.", "Check the path in the profile.")
    else:
        root = _download(name, revision, patterns, report)
        commit = root.name
    folder = root / subfolder if subfolder else root
    if not folder.is_dir():
        raise PairError(f"{name} has no subfolder {subfolder}.", "Check subfolder in the profile.")
    return Source(name, folder, commit, root, subfolder, revision)


def _hub_answers() -> bool:
    """Whether the Hub can be reached at all: a download would try six times to find out."""
    return not constants.HF_HUB_OFFLINE and _asked(int(time.monotonic() // ASK_AGAIN_SECONDS))


@lru_cache(maxsize=1)
def _asked(_when: int) -> bool:
    """The answer of one request, for all downloads of that time."""
    from httpx2 import TransportError  # the client of huggingface_hub

    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
    except TransportError:
        return False
    return True


@contextlib.contextmanager
def _retries_unsaid() -> Iterator[None]:
    """Keep the Hub's client from printing every retry; what comes of them is said in an error."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _download(
    name: str, revision: str | None, patterns: list[str], report: Callable[[Loading], None]
) -> Path:
    def watch(done: float, total: float | None) -> None:
        report(Loading(stage="download", detail=name, done=done, total=total, unit="bytes"))

    watch(0, None)  # the Hub may take a while to answer
    try:
        with _retries_unsaid():
            folder = snapshot_download(
                name,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=IGNORED,
                tqdm_class=watched_bar(watch, unit="B"),
                local_files_only=not _hub_answers(),
            )
        return Path(folder)
    except GatedRepoError as error:
        raise PairError(
            f"{name} is gated.",
            "Accept its licence on its Hub page and set HF_TOKEN (or run: hf auth login).",
        ) from error
    except RevisionNotFoundError as error:
        raise PairError(
            f"{name} has no revision {revision}.", "Check revision in the profile."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise PairError(
            f"There is no model {name} on the Hub, and no such folder here.",
            "Check the spelling; a private model needs HF_TOKEN.",
        ) from error
    except LocalEntryNotFoundError as error:
        raise PairError(
            f"{name} is not completely in this machine's cache, and the Hub"
            f" ({constants.ENDPOINT}) cannot be reached.",
            "Check the network, or use a local folder; the demo profile needs neither.",
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise PairError(
            f"{name} could not be downloaded: {str(error).splitlines()[0][:200]}",
            "Check the network and the free disk space, then try again: the download resumes.",
        ) from error
