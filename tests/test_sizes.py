"""Nothing is too long to be read: files of 400 lines, functions of a screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "tui", "tests", "profiles", "docs", "logit_amp_chat")
FILE = 400
BODY = 50


def python_files() -> Iterator[Path]:
    for folder in FOLDERS:
        if not (ROOT / folder).is_symlink():
            yield from (p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in python_files()}
    assert {name: size for name, size in sizes.items() if size > FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """A signature does not count: that of a command is the list of its options."""
    long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                last = node.end_lineno or node.lineno
                if (size := last - node.body[0].lineno + 1) > BODY:
                    long[f"{path.relative_to(ROOT)}: {node.name}"] = size
    assert long == {}
