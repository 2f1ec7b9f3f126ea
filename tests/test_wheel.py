"""A wheel that is installed anywhere finds its stylesheets, profiles and the demo pair."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "tui", "profiles")
SHIPPED = {".py", ".yaml", ".tcss", ".json", ".jinja", ".md", ".safetensors"}


def test_the_wheel_carries_every_file_of_the_three_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("logit_amp_chat", *PACKAGES):
        shutil.copytree(
            ROOT / folder,
            source / folder,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)

    built = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr

    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"logit_amp_chat/{path.relative_to(source).as_posix()}"
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.suffix in SHIPPED
    }
    assert expected - inside == set()
    top = {name.partition("/")[0] for name in inside}
    assert {name for name in top if not name.endswith(".dist-info")} == {"logit_amp_chat"}
