"""The pages of docs/ say what is so: snippets run, paths exist, a notebook executes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from logit_amp_chat import open_pair

ROOT = Path(__file__).parent.parent
PYTHON = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
WHERE = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PYTHON, re.MULTILINE | re.DOTALL)


def test_every_snippet_of_the_python_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(snippets()) >= 9
    for snippet in snippets():
        exec(compile(snippet, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    with open_pair("demo") as pair:
        assert pair.reply("Tell me about penguins.", alpha=2, seed=0)[0].text in said
    assert "['session', 'message', 'reply']" in said
    assert "There is no reply at α +7. There are replies at −1, 0, +2." in said


def test_the_notebook_runs_in_a_real_kernel(tmp_path: Path) -> None:
    """What it shows of replies and diffs is coloured tokens, and of a table a table."""
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [o.data.get("text/html", "") for o in outputs if o.output_type == "execute_result"]
    assert any("coloured by KL(after‖before)" in html and "<span title=" in html for html in shown)
    assert any("logp_before" in html for html in shown)
    assert any("coloured by Δ log p" in html and "after wanted" in html for html in shown)
    assert (tmp_path / "owls.jsonl").exists()


def test_every_answer_of_the_where_page_exists() -> None:
    paths = re.findall(r"\| `([^`]+)` \|$", WHERE, re.MULTILINE)
    assert len(paths) == 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import logit_amp_chat, sys;"
        "logit_amp_chat.open_pair; logit_amp_chat.Replies; dir(logit_amp_chat);"
        "heavy = {'torch', 'transformers', 'textual', 'pandas'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
