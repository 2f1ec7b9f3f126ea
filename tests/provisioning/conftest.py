"""What the tests of setup.sh start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import BROWSERS
from tests.provisioning.machine import Machine


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of this machine, without those that a test gives or takes away."""
    folder = tmp_path_factory.mktemp("system")
    programs = {path.name: path for place in ("/usr/bin", "/bin") for path in Path(place).iterdir()}
    for name in programs.keys() - {"apt-get", "tmux", *BROWSERS}:
        (folder / name).symlink_to(programs[name])
    return folder


@pytest.fixture
def machine(tmp_path: Path, system: Path) -> Machine:
    return Machine(tmp_path, system)
