"""What every test stands on: no network, no user folders, one thread, tiny pairs."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from logit_amp_chat.core.config.profile import Profile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# Two shared cores: an example may take long without anything being wrong. The same commit gets
# the same verdict; `--hypothesis-profile=explore` looks for new examples.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.register_profile("thousands", deadline=None, max_examples=10_000)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test goes first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: "test_what_is_shown" not in item.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line of a run names what was skipped and why."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # as in a process that xdist started
        return
    reasons = Counter(_reason(report) for report in reporter.stats.get("skipped", ()))
    told = [
        f"{count} test{'s' * (count > 1)}: {reason}"
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    if told:
        reporter.write_line(f"skipped: {'; '.join(told)}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test or a module was skipped, in one line."""
    assert isinstance(report.longrepr, tuple)
    return " ".join(report.longrepr[2].removeprefix("Skipped: ").split())


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # vLLM is for the tests that name it: it takes a minute to open.
    monkeypatch.setenv("LOGIT_AMP_VLLM_PYTHON", str(tmp_path / "no-vllm"))


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Profile]:
    """A profile of a tiny random pair: `tiny_pair("gpt2", quantization="nf4")`."""
    made: dict[str, tuple[Path, Path]] = {}

    def make(architecture: str = "llama", **changed: object) -> Profile:
        import torch

        from tests.models import save_pair

        torch.set_num_threads(1)
        if architecture not in made:
            made[architecture] = save_pair(tmp_path_factory.mktemp(architecture), architecture)
        before, after = made[architecture]
        return Profile.model_validate(
            {
                "name": architecture,
                "title": f"tiny {architecture}",
                "before": {"model": str(before)},
                "after": {"model": str(after)},
                "dtype": "float32",
                "device": "cpu",
                **changed,
            }
        )

    return make


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as in a terminal; a run that was started in the background ignores it."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)
