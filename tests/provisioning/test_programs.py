"""The programs that tests need: setup.sh installs what it may, and says what is missing."""

from __future__ import annotations

import pytest

from tests.browser import BROWSERS
from tests.provisioning.machine import Machine


def asked_of_apt(machine: Machine) -> list[str]:
    return [call for call in machine.told() if call.startswith("apt-get")]


def test_programs_that_tests_need_are_installed_before_the_checks(machine: Machine) -> None:
    machine.lacks("tmux", "chromium")
    machine.run("test")
    told = machine.told()
    update, tmux, chromium = (call for call in told if call.startswith("apt-get"))
    assert update.endswith(" update (noninteractive)")
    for install, package in ((tmux, "tmux"), (chromium, "chromium")):
        assert " install -y " in install
        assert install.endswith(f" {package} (noninteractive)")
    assert told.index(chromium) < told.index("ruff check .")

    machine.run("test")
    assert asked_of_apt(machine) == []


@pytest.mark.parametrize("browser", BROWSERS)
def test_nothing_is_installed_where_all_programs_are_there(machine: Machine, browser: str) -> None:
    machine.lacks("chromium")
    machine.has(browser)
    output = machine.run("test")
    assert asked_of_apt(machine) == []
    assert "chromium" not in output


@pytest.mark.parametrize("arguments", [(), ("chat",)])
def test_only_the_checks_install_programs(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.lacks("tmux", "chromium")
    assert "tmux" not in machine.run(*arguments)
    assert asked_of_apt(machine) == []


@pytest.mark.parametrize("hindrance", ["no root", "no apt-get"])
def test_programs_that_may_not_be_installed_are_said_in_one_line(
    machine: Machine, hindrance: str
) -> None:
    machine.lacks("tmux", "chromium", *(["apt-get"] if hindrance == "no apt-get" else []))
    output = machine.run("test", FAKE_ROOT="no" if hindrance == "no root" else "yes")
    (line,) = (line for line in output.splitlines() if "tmux" in line)
    assert "apt-get install tmux chromium" in line
    told = machine.told()
    assert not any(call.startswith("apt-get") for call in told)
    assert told[-1].startswith("pytest")


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("Temporary failure resolving 'mirror'", "cannot be reached"),
        ("Could not connect to mirror:80", "cannot be reached"),
        ("Unable to locate package tmux", "apt-get has no such package"),
        ("Package 'tmux' has no installation candidate", "apt-get has no such package"),
        ("something else", "ended with status 100"),
    ],
)
def test_a_program_that_cannot_be_installed_does_not_stop_the_checks(
    machine: Machine, log: str, cause: str
) -> None:
    machine.lacks("tmux")
    output = machine.run("test", FAKE_APT_FAILS=log)
    (line,) = (line for line in output.splitlines() if "apt-get install tmux failed" in line)
    assert cause in line
    assert "stopped at" not in output
    assert machine.told()[-1].startswith("pytest")
