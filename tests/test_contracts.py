"""Every import contract breaks when it should: with one forbidden import added to a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).parent.parent

TERMINAL = "core knows no terminal"
WINGS = "the wings of core stand on each other in one direction"
TORCH = "what the app starts from never reaches torch, not even indirectly"
ROOMS = "the rooms of tui stand on each other in one direction, and nothing calls the commands"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages' Python files alone, and the contracts."""
    for package in ("core", "tui", "profiles"):
        for path in (ROOT / package).rglob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copytree(ROOT / "logit_amp_chat", tmp_path / "logit_amp_chat", symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(copy: Path) -> set[str]:
    """The names of the contracts that do not hold."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "400", "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
    )
    said = " ".join(done.stdout.split())
    assert "Contracts: " in said or "Missing layer" in said or "unlisted" in said, done.stdout
    names = {name for name in (TERMINAL, WINGS, TORCH, ROOMS) if f"{name} BROKEN" in said}
    assert (done.returncode == 0) == (not names)
    return names


def test_all_of_them_are_kept(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/text.py", "import rich", TERMINAL),
        ("core/bench/throughput.py", "import typer", TERMINAL),
        ("tui/reading/log_panel.py", "import logit_amp_chat.tui.chat.layout", ROOMS),
        ("core/chat/session.py", "import logit_amp_chat.tui.theme", TERMINAL),
        ("core/records.py", "import logit_amp_chat.core.text", WINGS),
        ("core/decoding/sampling.py", "import logit_amp_chat.core.engine.local", WINGS),
        ("core/chat/session.py", "import logit_amp_chat.core.bench.throughput", WINGS),
        ("core/engine/process.py", "import logit_amp_chat.core.experiments.sources", WINGS),
        ("core/newroom/__init__.py", "", WINGS),
        ("tui/theme.py", "import torch", TORCH),
        ("core/experiments/sources.py", "import logit_amp_chat.core.engine.local", TORCH),
        ("core/engine/process.py", "import logit_amp_chat.core.engine.local", TORCH),
        ("core/chat/watchdog.py", "import logit_amp_chat.core.engine.child", TORCH),
        ("tui/widgets/lane.py", "import logit_amp_chat.tui.chat.screen", ROOMS),
        ("tui/app.py", "import logit_amp_chat.tui.commands.main", ROOMS),
        ("tui/newroom/__init__.py", "", ROOMS),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    copy: Path, module: str, line: str, contract: str
) -> None:
    path = copy / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{line}\n")
    assert contract in broken(copy)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("logit_amp_chat", cache_dir=None)
    arrows = networkx.DiGraph()
    for module in graph.modules:
        imported = graph.find_modules_directly_imported_by(module)
        arrows.add_edges_from((module, other) for other in imported)
    circles = [c for c in networkx.strongly_connected_components(arrows) if len(c) > 1]
    assert circles == []
