"""No network where the profile is local, and no token in anything that is written."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.records import Finish
from logit_amp_chat.core.transcripts.jsonl import from_line
from logit_amp_chat.core.transcripts.writer import Transcript
from tests.core import samples

TOKEN = "hf_secretsecretsecretsecretsecret1234"

# A command in a network namespace of its own.
ALONE = ("unshare", "--map-root-user", "--net")

# Loaded by Python itself before anything else: every way out is noted and closed.
GUARD = """
import os, socket

def refuse(name):
    original = getattr(socket.socket, name)
    def guarded(self, *args):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            with open(os.environ["GUARD_LOG"], "a") as log:
                log.write(f"{name} {args[-1]!r}\\n")
            raise OSError(101, "Network is unreachable")
        return original(self, *args)
    setattr(socket.socket, name, guarded)

for name in ("connect", "connect_ex", "sendto"):
    refuse(name)

def no_lookup(host, *args, **kwargs):
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.write(f"getaddrinfo {host!r}\\n")
    raise socket.gaierror(-2, "Name or service not known")

socket.getaddrinfo = socket.gethostbyname = no_lookup
"""


class Guarded:
    """The command in a process that has a token and no way out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "tried.log"
        guard = folder / "guard"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(GUARD)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("HF_")
        } | {
            "PYTHONPATH": os.pathsep.join([str(guard), str(Path(__file__).parents[2])]),
            "GUARD_LOG": str(self.log),
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(folder / "hub"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *arguments: str, wrapper: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*wrapper, sys.executable, "-m", "logit_amp_chat", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def describe(self, profile: Profile) -> Path:
        """A file that describes this pair."""
        pair = self.folder / "pair.yaml"
        pair.write_text(
            f"before: {{model: {profile.before.model}}}\nafter: {{model: {profile.after.model}}}\n"
            "dtype: float32\ndevice: cpu\n"
        )
        return pair

    @property
    def tried(self) -> str:
        """Every attempt to reach something."""
        return self.log.read_text() if self.log.exists() else ""

    def files_with(self, secret: str) -> list[Path]:
        return [
            path
            for path in self.folder.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def test_a_local_pair_needs_no_network_and_shows_no_token(
    guarded: Guarded, tiny_pair: Callable[..., Profile]
) -> None:
    """Answer, verify, export: nothing is looked up, and the token is in no output and no file."""
    pair = guarded.describe(tiny_pair())
    prompt = ["--prompt", "Hi", "--max-new-tokens", "3", "--jsonl", "--debug"]
    answered = guarded.run("reply", "--profile", str(pair), *prompt)
    assert answered.returncode == 0, answered.stderr
    assert isinstance(from_line(answered.stdout.splitlines()[-1]), Finish)
    saved = guarded.folder / "chat.jsonl"
    saved.write_text(answered.stdout)
    outputs = [answered, guarded.run("verify", str(saved), "--debug")]
    for to in ("md", "txt", "json"):
        out = str(guarded.folder / f"chat.{to}")
        outputs.append(guarded.run("export", str(saved), "--to", to, "--out", out))
    assert [done.returncode for done in outputs] == [0] * 5
    assert guarded.tried == ""
    assert not any(TOKEN in done.stdout + done.stderr for done in outputs)
    assert guarded.files_with(TOKEN) == []


def test_a_local_pair_works_where_there_is_no_network_at_all(
    guarded: Guarded, tiny_pair: Callable[..., Profile]
) -> None:
    """In a network namespace with nothing in it, which no library can get around."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed (Debian, Ubuntu: apt-get install util-linux)")
    (guarded.folder / "guard/sitecustomize.py").unlink()
    interfaces = subprocess.run(
        [*ALONE, "cat", "/proc/net/dev"], capture_output=True, text=True, check=False
    )
    if interfaces.returncode:
        pytest.skip(
            f"no network namespace may be made here ({interfaces.stderr.strip()}), "
            "which takes a system or a container that allows user namespaces"
        )
    assert [line.split(":")[0].strip() for line in interfaces.stdout.splitlines()[2:]] == ["lo"]
    pair = guarded.describe(tiny_pair())
    prompt = ["--prompt", "Hi", "--max-new-tokens", "3", "--jsonl"]
    answered = guarded.run("reply", "--profile", str(pair), *prompt, wrapper=ALONE)
    assert answered.returncode == 0, answered.stderr
    saved = guarded.folder / "chat.jsonl"
    saved.write_text(answered.stdout)
    assert guarded.run("verify", str(saved), wrapper=ALONE).returncode == 0


@pytest.mark.parametrize("more", [[], ["--debug"]])
def test_a_model_that_cannot_be_reached_is_named_and_the_token_is_not(
    guarded: Guarded, more: list[str]
) -> None:
    """Not even where huggingface_hub logs every request."""
    guarded.environment["HF_DEBUG"] = "1" if more else ""
    sides = ["--before", "org/base", "--after", "org/chat"]
    done = guarded.run("reply", *sides, "--prompt", "Hi", *more)
    assert guarded.tried, "the guard stands where the Hub is asked for"
    assert TOKEN not in done.stdout + done.stderr
    assert guarded.files_with(TOKEN) == []
    if not more:
        assert done.returncode == 4
        assert "org/base is not completely in this machine's cache, and the Hub" in (done.stderr)
        assert "Traceback" not in done.stderr


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    writer = Transcript.create(folder)
    writer.append(samples.message())
    writer.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
