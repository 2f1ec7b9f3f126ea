"""What setup.sh decides, on a machine whose Python, pip and GPU are stand-ins."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.provisioning.machine import ROOT, Machine, script


def test_without_a_gpu_torch_comes_from_where_pip_looks(machine: Machine) -> None:
    machine.run()
    torch, project = machine.told()
    assert torch.endswith("torch==2.13.0")
    assert "--index-url" not in torch
    assert project.endswith(f"--editable {machine.clone}")
    assert (machine.clone / ".venv/.logit-amp-chat.torch").read_text() == "torch==2.13.0+cpu\n"


def test_where_nvidia_smi_works_the_cuda_build_is_taken(machine: Machine) -> None:
    machine.gpu(works=True)
    assert "torch 2.13.0, CUDA" in machine.run(FAKE_TORCH="2.13.0 13.0")


def test_a_gpu_that_torch_cannot_use_is_said_with_the_remedy(machine: Machine) -> None:
    machine.gpu(works=True)
    output = machine.run(FAKE_CUDA_WORKS="no")
    assert "cannot use this GPU" in output
    assert "TORCH_INDEX_URL" in output


def test_an_index_for_torch_can_be_given(machine: Machine) -> None:
    machine.run(TORCH_INDEX_URL="file:///wheels")
    torch, project = machine.told()
    assert "--index-url file:///wheels torch==2.13.0" in torch
    assert "--index-url" not in project


def test_a_template_keeps_its_cuda_torch(machine: Machine) -> None:
    machine.template_with("2.12.1+cu130 13.0")
    output = machine.run()
    (project,) = machine.told()
    assert "--editable" in project
    pins = machine.template / ".logit-amp-chat.torch"
    assert f"--constraint {pins}" in project
    assert pins.read_text() == "torch==2.12.1+cu130\n"
    assert "torch 2.12.1+cu130 is there and stays" in output
    assert not (machine.clone / ".venv").exists()


@pytest.mark.parametrize("torch", ["2.12.1+cpu cpu", "2.5.1+cu124 12.4", ""])
def test_a_template_that_does_not_fit_is_left_alone(machine: Machine, torch: str) -> None:
    machine.template_with(torch)
    machine.run()
    assert all(str(machine.template) not in call for call in machine.told())
    assert (machine.clone / ".venv/bin/logit-amp-chat").exists()


def test_an_environment_of_the_users_choice_is_used_and_keeps_its_torch(machine: Machine) -> None:
    machine.template_with("2.12.1 cpu")
    machine.run(LOGIT_AMP_VENV=str(machine.template))
    (project,) = machine.told()
    assert "--editable" in project
    assert (machine.template / "bin/logit-amp-chat").exists()


def test_a_torch_that_is_too_old_in_a_chosen_environment_is_not_replaced(machine: Machine) -> None:
    machine.template_with("2.5.1+cu124 12.4")
    output = machine.run(LOGIT_AMP_VENV=str(machine.template), ok=False)
    assert "stopped at: choosing torch" in output
    assert machine.told() == []


def test_the_second_chat_opens_at_once_with_its_arguments(machine: Machine) -> None:
    machine.run("chat")
    machine.told()
    assert machine.run("chat", "--alpha", "2") == ""
    assert machine.told() == ["logit-amp-chat --alpha 2"]


@pytest.mark.parametrize("changed", ["constraints.txt", "pyproject.toml"])
def test_changed_requirements_are_provisioned_again(machine: Machine, changed: str) -> None:
    machine.run("chat")
    machine.told()
    with (machine.clone / changed).open("a") as file:
        file.write("# newer\n")
    machine.run("chat")
    assert [call for call in machine.told() if "--editable" in call]


def test_provisioning_again_changes_nothing(machine: Machine) -> None:
    machine.run()
    machine.told()
    machine.run()
    assert machine.told() == []


def test_the_checks_run_with_the_development_tools(machine: Machine) -> None:
    machine.run("test", "-k", "alpha")
    told = machine.told()
    assert told[1].endswith("[dev]")
    assert [call.split()[0] for call in told[2:]] == [
        *("ruff", "ruff", "mypy", "lint-imports", "shellcheck", "pytest")
    ]
    assert told[-1].endswith("-k alpha")


def test_one_red_check_does_not_hide_the_others(machine: Machine) -> None:
    output = machine.run("test", ok=False, FAKE_RED="mypy")
    assert machine.told()[-1].startswith("pytest")
    assert "failed: mypy" in output


def test_the_command_is_on_the_path_of_a_login_shell(machine: Machine) -> None:
    (machine.home / ".profile").write_text('PATH="$HOME/.local/bin:$PATH"\n')
    assert "ready: type logit-amp-chat" in machine.run()
    link = machine.home / ".local/bin/logit-amp-chat"
    assert link.resolve() == machine.clone / ".venv/bin/logit-amp-chat"


def test_otherwise_the_line_to_type_is_printed(machine: Machine) -> None:
    assert f'export PATH="{machine.home}/.local/bin:$PATH"' in machine.run()


def test_somebodys_own_command_of_that_name_is_left_alone(machine: Machine) -> None:
    own = machine.home / ".local/bin/logit-amp-chat"
    own.write_text("mine")
    assert f'export PATH="{machine.clone}/.venv/bin:$PATH"' in machine.run()
    assert own.read_text() == "mine"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("Max retries exceeded with url", "cannot be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no fitting torch==2.13.0"),
        ("ERROR: ResolutionImpossible: see above", "contradict"),
        ("something else", "ended with status 1"),
    ],
)
def test_a_failure_names_step_cause_and_remedy(machine: Machine, log: str, cause: str) -> None:
    output = machine.run(ok=False, FAKE_PIP_FAILS=log)
    assert f"| {log}" in output
    assert "stopped at: torch 2.13.0" in output
    assert cause in next(line for line in output.splitlines() if "cause:" in line)
    assert "remedy:" in output


def test_after_a_failure_the_next_run_goes_on(machine: Machine) -> None:
    machine.run(ok=False, FAKE_PIP_FAILS="something")
    machine.run()
    assert (machine.clone / ".venv/.logit-amp-chat").exists()


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    python = shutil.which("python3", path=machine.env["PATH"])
    output = machine.run(ok=False, FAKE_PYTHON="3.10.13", PYTHON=str(python))
    assert "Python 3.10.13, not Python 3.11 or newer" in output


def test_a_folder_that_is_no_environment_is_not_touched(machine: Machine) -> None:
    (machine.clone / ".venv").mkdir()
    (machine.clone / ".venv" / "notes").write_text("mine")
    assert "is not a virtual environment" in machine.run(ok=False)
    assert (machine.clone / ".venv" / "notes").read_text() == "mine"


def test_a_clone_that_cannot_be_written_is_said(machine: Machine) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(machine.clone, folder / "clone")
        (folder / "clone").chmod(0o555)
        result = subprocess.run(
            ["/bin/bash", folder / "clone" / "setup.sh"],
            env={"PATH": "/usr/bin:/bin", "HOME": "/", "LOGIT_AMP_VENV": str(folder / "venv")},
            user=65534 if os.geteuid() == 0 else None,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        (folder / "clone").chmod(0o755)
    assert result.returncode == 1
    assert f"{folder.resolve()}/clone cannot be written" in result.stderr


def test_two_at_once_wait_for_each_other(machine: Machine) -> None:
    held = os.open(machine.clone, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    process = machine.start()
    assert process.stdout is not None
    assert "waiting for it" in process.stdout.readline()
    assert machine.told() == []
    os.close(held)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def piped(machine: Machine, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run setup.sh as a provisioning URL is: read from a pipe, outside a clone."""
    return subprocess.run(
        ["/bin/bash", "-s", *arguments],
        input=(ROOT / "setup.sh").read_text(),
        env=machine.env | env,
        cwd=machine.home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_outside_a_clone_the_repository_must_be_named(machine: Machine) -> None:
    result = piped(machine)
    assert result.returncode == 1
    assert "LOGIT_AMP_REPO is not set" in result.stderr


def test_outside_a_clone_it_clones_into_the_workspace_and_goes_on_there(machine: Machine) -> None:
    origin = machine.home / "origin"
    shutil.copytree(machine.clone, origin)
    script(origin / "setup.sh", '#!/bin/bash\necho "in the clone: $*"\n')
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    workspace = machine.home / "workspace"
    workspace.mkdir()

    for _ in range(2):  # the second time the clone is there already
        result = piped(
            machine, "chat", "--seed", "1", LOGIT_AMP_REPO=str(origin), WORKSPACE=str(workspace)
        )
        assert result.stdout == "in the clone: chat --seed 1\n", result.stderr
    assert (workspace / "logit-amp-chat" / "pyproject.toml").exists()


def test_a_repository_that_cannot_be_cloned_is_said(machine: Machine) -> None:
    result = piped(machine, LOGIT_AMP_REPO=str(machine.home / "nowhere"))
    assert result.returncode == 1
    assert "stopped at: clone into" in result.stderr
    assert not (machine.home / "logit-amp-chat").exists()


def test_an_unknown_command_is_named(machine: Machine) -> None:
    assert "no command 'chta'" in machine.run("chta", ok=False)


@pytest.mark.parametrize(("gpu", "requirements"), [(False, "vllm-cpu.txt"), (True, "vllm-gpu.txt")])
def test_vllm_gets_an_environment_of_its_own_once(
    machine: Machine, gpu: bool, requirements: str
) -> None:
    machine.gpu(works=gpu)
    output = machine.run("vllm")
    torch, vllm = machine.told()
    assert "torch==2.13.0" in torch
    assert vllm.endswith(f"--no-compile --no-deps --requirement {machine.clone / requirements}")
    assert "ready: --engine vllm" in output
    assert (machine.clone / ".venv-vllm" / "bin" / "python").exists()
    assert not (machine.clone / ".venv").exists()
    machine.run("vllm")
    assert machine.told() == []


def test_without_vllm_the_checks_run_all_the_same(machine: Machine) -> None:
    machine.run("test", "-k", "alpha")
    machine.told()
    output = machine.run("test", FAKE_PIP_FAILS="No space left on device")
    assert "vLLM's environment cannot be made, so its tests are skipped" in output
    assert machine.told()[-1].startswith("pytest")
