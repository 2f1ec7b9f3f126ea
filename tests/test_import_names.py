"""Folders called core, tui and profiles are common: whoever has her own is not in the way."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.chat import environment
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parent.parent
OWN = 'raise ImportError("this is hers")\n'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package in a folder of its own, as pip installs it anywhere."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    copy_tracked(source)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
    )
    return target


def copy_tracked(target: Path) -> None:
    """The checkout as git has it, with what is not committed yet."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            copy.symlink_to(source.readlink())
        elif source.exists():
            shutil.copy(source, copy)


@pytest.fixture(params=["checkout", "wheel"])
def hers(request: pytest.FixtureRequest, tmp_path: Path) -> Hers:
    package = ROOT if request.param == "checkout" else request.getfixturevalue("wheel")
    return Hers(package, tmp_path)


class Hers:
    """A researcher's folder and library, with names of her own that were ours once."""

    def __init__(self, package: Path, folder: Path) -> None:
        self.package = package
        self.folder, library = folder / "work", folder / "library"
        for name in ("core", "tui", "profiles", "tests"):
            (library / name).mkdir(parents=True)
            (library / name / "__init__.py").write_text(OWN)
        self.folder.mkdir()
        for name in ("core.py", "tui.py", "profiles.py"):
            (self.folder / name).write_text(OWN)
        path = os.pathsep.join([str(library), str(package)])
        self.environment = environment(PYTHONPATH=path, OMP_NUM_THREADS="1")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "logit_amp_chat", *arguments]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_it_is_the_package_that_is_meant(hers: Hers) -> None:
    code = "import logit_amp_chat.core.errors as e; print(e.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=hers.folder,
        env=hers.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(hers.package)


def test_every_command_works(hers: Hers) -> None:
    assert hers.run("--version").startswith("logit-amp-chat ")
    assert "demo" in hers.run("profiles")
    limit = ("--max-new-tokens", "4")
    chat = hers.run("reply", "--prompt", "Hi", "--alpha", "0", "--alpha", "1", "--jsonl", *limit)
    (hers.folder / "chat.jsonl").write_text(chat)
    assert "<html" in hers.run("export", "chat.jsonl", "--to", "html")
    assert "2 of 2 replies are identical" in hers.run("verify", "chat.jsonl")
    bench = ("--json", "--no-peer", "--lanes", "1", "--rounds", "1", "--tokens", "2")
    assert json.loads(hers.run("bench", *bench, "--history", "128"))["lanes"]
    assert json.loads(hers.run("doctor", "--json"))["profile"]["can_run"] is True


def test_the_chat_works(hers: Hers) -> None:
    start = shlex.join(hers.command("--transcripts", str(hers.folder / "saved")))
    terminal = Terminal(
        ["sh", "-c", f"cd {shlex.quote(str(hers.folder))} && exec {start}"],
        hers.environment,
        columns=100,
        rows=40,
    )
    try:
        terminal.until(lambda: "cpu (" in terminal.text and "Loading" not in terminal.text)
        terminal.write("Tell me about penguins.")
        terminal.press("enter")
        terminal.until(lambda: "context " in terminal.text and "tok/s" not in terminal.text)
        terminal.press("ctrl+q")
        terminal.until(lambda: "This chat is saved in" in terminal.text)
    finally:
        terminal.close()
