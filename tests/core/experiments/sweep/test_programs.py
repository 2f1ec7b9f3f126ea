"""Programs: one process a count, one answer a reply, and an error that names the reply."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
from pathlib import Path

import pytest

from logit_amp_chat.core.errors import LogitAmpError, UsageError
from logit_amp_chat.core.experiments.sweep.behaviours import Verdict, definition_key
from logit_amp_chat.core.experiments.sweep.programs import Program
from tests.core.experiments.sweep.made import prompt, reply

REPLIES = [(prompt(), reply(text, n=n, alpha=0.5)) for n, text in enumerate(["otter", "seal", "o"])]


def program(folder: Path, source: str, *, seconds: float = 60) -> Program:
    """A Python program of these lines, with `said` for the replies as they come."""
    path = folder / "count it.py"
    before = "import json, sys, os, time\nsaid = (json.loads(line) for line in sys.stdin)\n"
    path.write_text(before + textwrap.dedent(source))
    return Program("count", shlex.join([sys.executable, str(path)]), seconds=seconds)


def test_one_process_answers_every_reply(tmp_path: Path) -> None:
    found = program(tmp_path, "for one in said: print(int('t' in one['text']))")
    assert list(found.verdicts(REPLIES)) == [Verdict(1.0), Verdict(0.0), Verdict(0.0)]
    assert not found.numeric
    assert list(found.verdicts(REPLIES[:1])) == [Verdict(1.0)]
    assert list(found.verdicts([])) == []


def test_true_and_false_are_answers(tmp_path: Path) -> None:
    found = program(tmp_path, "for one in said: print('true' if 't' in one['text'] else ' false ')")
    assert [one.value for one in found.verdicts(REPLIES)] == [1, 0, 0]


def test_numbers_are_numbers(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        "for one in said: print(json.dumps({'kind': 'number', 'value': len(one['text']) / 2}))",
    )
    assert [one.value for one in found.verdicts(REPLIES)] == [2.5, 2, 0.5]
    assert found.numeric


def test_the_program_is_told_the_prompt_and_the_reply_but_not_the_alpha(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        "for one in said: open(sys.argv[0] + '.log', 'a').write(json.dumps(one)); print(1)",
    )
    told = prompt("Otters?", begin="By ")
    assert len(list(found.verdicts([(told, reply("x", begin="By ", alpha=0.5))]))) == 1
    assert json.loads((tmp_path / "count it.py.log").read_text()) == {
        "prompt": {"messages": [{"role": "user", "content": "Otters?"}], "begin": "By "},
        "text": "By x",
        "finish": "stop",
    }


def test_the_program_of_the_manual_counts_characters(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "behaviours.md").read_text()
    begins = page.index("    import json, sys\n")
    path = tmp_path / "count.py"
    path.write_text(textwrap.dedent(page[begins : page.index("\n\n", begins)]))
    found = Program("length", shlex.join([sys.executable, str(path)]))
    assert [one.value for one in found.verdicts(REPLIES)] == [5, 4, 1]
    assert found.numeric


def test_answers_that_are_written_at_the_end_are_answers(tmp_path: Path) -> None:
    found = program(tmp_path, "sys.stdout.write('1\\n' * (len(list(said)) - 1) + '0')")
    assert [one.value for one in found.verdicts(REPLIES)] == [1, 1, 0]


def test_a_thousand_replies_stop_nowhere(tmp_path: Path) -> None:
    many = [(prompt(), reply(["x" * 2000], n=n)) for n in range(1000)]
    found = program(tmp_path, "for one in said: print(1); print('much' * 100, file=sys.stderr)")
    assert sum(one.value for one in found.verdicts(many)) == 1000


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("print(1); sys.exit('no \\033[31mmodel')", "ended with status 1 .*p1-0.5-1.* no ␛.*model"),
        ("print(1)", "ended without an answer to reply p1-0.5-1"),
        ("print(1); print('maybe')", "answered reply p1-0.5-1 with maybe"),
        ("print(1); print()", "answered reply p1-0.5-1 with an empty line"),
        ("print(2)", "answered reply p1-0.5-0 with 2"),
        ("print('NaN')", "answered reply p1-0.5-0 with NaN"),
        ("print('[' * 100_000)", "a line of more than|answered reply"),
        ('print(\'{"kind": "number", "value": NaN}\')', "p1-0.5-0"),
        ('print(\'{"kind": "number", "value": true}\')', "p1-0.5-0"),
        ("print('{\"kind\": \"number\", \"value\": 1' + '0' * 400 + '}')", "p1-0.5-0"),
        ('print(1); print(\'{"kind": "number", "value": 1}\')', "p1-0.5-1 with a number, and"),
        ('print(\'{"kind": "number", "value": 1}\'); print(1)', "p1-0.5-1 with 0 or 1, and"),
        ("print('1\\n' * 3)", "more lines than"),
        ("print('1\\n1\\n1'); sys.exit(3)", "ended with status 3 after its last answer"),
        ("print(1); os.kill(os.getpid(), 9)", "ended by signal 9 without an answer"),
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_reply(
    tmp_path: Path, source: str, says: str
) -> None:
    with pytest.raises(LogitAmpError, match=says) as failed:
        list(program(tmp_path, source).verdicts(REPLIES))
    assert "count" in failed.value.message
    assert "\x1b" not in str(failed.value)


def test_a_program_that_hangs_is_given_up_and_killed(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        "open(sys.argv[0] + '.pid', 'w').write(str(os.getpid())); print(1); time.sleep(600)",
        seconds=3,
    )
    with pytest.raises(LogitAmpError, match=r"did not answer reply p1-0\.5-1 for 3 s"):
        list(found.verdicts(REPLIES))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "count it.py.pid").read_text()), 0)


def test_a_count_that_is_left_leaves_no_process(tmp_path: Path) -> None:
    found = program(tmp_path, "print(os.getpid() * 0 + 1); time.sleep(600)")
    answers = found.verdicts(REPLIES)
    assert next(answers).value == 1
    process = found._running
    assert process is not None
    found.close()
    found.close()
    assert process._process.poll() is not None


def test_what_cannot_be_started_is_refused() -> None:
    for command in ("/no/such/program", "''", str(Path(__file__))):
        with pytest.raises(UsageError, match="count cannot be started"):
            list(Program("count", command).verdicts(REPLIES))
    with pytest.raises(UsageError, match="cannot be read: No closing quotation"):
        Program.parse("count='a")


def test_a_changed_script_is_another_definition(tmp_path: Path) -> None:
    keys = {
        definition_key(program(tmp_path, source).definition) for source in ("print(1)", "print(0)")
    }
    assert len(keys) == 2


def test_no_answer_counts_of_a_program_that_says_too_much(tmp_path: Path) -> None:
    found = program(tmp_path, "sys.stdout.write('1\\n' * 99)")
    verdicts = found.verdicts(REPLIES)
    with pytest.raises(LogitAmpError, match="wrote more lines than it was to answer"):
        next(verdicts)


def test_a_number_whose_square_is_infinite_is_no_answer(tmp_path: Path) -> None:
    found = program(tmp_path, "print(json.dumps({'kind': 'number', 'value': 1e200}))")
    with pytest.raises(LogitAmpError, match="answered reply"):
        list(found.verdicts(REPLIES[:1]))
