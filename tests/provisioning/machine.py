"""A machine whose Python, pip, apt-get and GPU are stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Answers what setup.sh asks a Python for, and writes down what pip is told.
PYTHON = r"""#!/bin/bash
here=$(dirname "$0") calls=CALLS
case "$*" in
  --version) echo "Python ${FAKE_PYTHON:-3.12.1}" ;;
  *version_info*) [[ ${FAKE_PYTHON:-3.12.1} != 3.10* ]] ;;
  *torch.cuda.is_available*) [[ ${FAKE_CUDA_WORKS:-yes} == yes ]] ;;
  -) cat "$here/torch" 2>/dev/null ;;
  '-m venv'*)
    venv=${*: -1}
    mkdir -p "$venv/bin"; touch "$venv/pyvenv.cfg"; cp "$0" "$venv/bin/python" ;;
  *' install '*)
    echo "$*" >>"$calls"
    if [[ -n ${FAKE_PIP_FAILS:-} ]]; then echo "$FAKE_PIP_FAILS"; exit 1; fi
    [[ $* != *torch==* ]] || echo "${FAKE_TORCH:-2.13.0+cpu cpu}" >"$here/torch"
    if [[ $* == *--editable* ]]; then
      for tool in logit-amp-chat ruff mypy lint-imports shellcheck pytest; do
        printf '#!/bin/bash\necho "%s $*" >>%s\n[[ ${FAKE_RED:-} != %s ]]\n' \
          "$tool" "$calls" "$tool" >"$here/$tool"
        chmod +x "$here/$tool"
      done
    fi ;;
esac
"""

# Installs an empty program, and writes down what it is told.
APT_GET = r"""#!/bin/bash
echo "apt-get $* ($DEBIAN_FRONTEND)" >>CALLS
[[ -z ${FAKE_APT_FAILS:-} ]] || { echo "E: $FAKE_APT_FAILS"; exit 100; }
[[ $* != *install* ]] || cp /bin/true "$(dirname "$0")/${*: -1}"
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Machine:
    """A clone, a home and a PATH of stand-ins under one folder, in front of a system."""

    def __init__(self, folder: Path, system: Path) -> None:
        self.clone = folder / "clone"
        self.home = folder / "home"
        self.template = folder / "template"
        self.calls = folder / "calls"
        self.python = PYTHON.replace("CALLS", str(self.calls))
        self.bin = folder / "bin"
        self.clone.mkdir()
        for name in (
            "setup.sh",
            "constraints.txt",
            "vllm-cpu.txt",
            "vllm-gpu.txt",
            "pyproject.toml",
        ):
            shutil.copy(ROOT / name, self.clone / name)
        (self.home / ".local" / "bin").mkdir(parents=True)
        script(self.bin / "python3", self.python)
        script(self.bin / "apt-get", APT_GET.replace("CALLS", str(self.calls)))
        self.has("tmux", "chromium")
        self.gpu(works=False)
        self.env = {
            "HOME": str(self.home),
            "SHELL": "/bin/sh",
            "PATH": f"{self.bin}:{system}",
            "TMPDIR": str(folder),
        }

    def gpu(self, *, works: bool) -> None:
        script(self.bin / "nvidia-smi", f"#!/bin/bash\n{str(works).lower()}\n")

    def has(self, *programs: str) -> None:
        for program in programs:
            script(self.bin / program, "#!/bin/bash\n")

    def lacks(self, *programs: str) -> None:
        for program in programs:
            (self.bin / program).unlink()

    def template_with(self, torch: str) -> None:
        script(self.template / "bin" / "python", self.python)
        (self.template / "bin" / "torch").write_text(torch)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        places = f"TEMPLATE_VENV={self.template} SYSTEM_BIN={self.home}/.local/bin"
        root = "is_root() { [[ ${FAKE_ROOT:-yes} == yes ]]; }"
        sourced = f'source "$1"; shift; {places}; {root}; main "$@"'
        return subprocess.Popen(
            ["/bin/bash", "-c", sourced, "test", str(self.clone / "setup.sh"), *arguments],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, ok: bool = True, **env: str) -> str:
        """Both outputs of setup.sh with these arguments."""
        process = self.start(*arguments, **env)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode == 0) == ok, output
        return output

    def told(self) -> list[str]:
        """What pip, apt-get and the commands were called with, since the last look."""
        told = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return told
