"""Template variables as a line to edit."""

from __future__ import annotations

import pytest

from logit_amp_chat.core.config.template_line import read_template_line, template_line
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import TemplateValue


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("", {}),
        ("enable_thinking=false", {"enable_thinking": False}),
        ("a=1 b=1.5 c=null d=low", {"a": 1, "b": 1.5, "c": None, "d": "low"}),
        ("date_string='26 Jul 2024'", {"date_string": "26 Jul 2024"}),
        ("""a='"1"' b='"true"'""", {"a": "1", "b": "true"}),
        ("a=''", {"a": ""}),
    ],
)
def test_it_is_read_as_yaml_reads_values(line: str, variables: dict[str, TemplateValue]) -> None:
    assert read_template_line(line) == variables


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"enable_thinking": False, "reasoning_effort": "low", "n": 3, "x": 1e-05, "none": None},
        {"date_string": "26 Jul 2024", "quoted": 'it\'s "so"', "empty": "", "blank": " a "},
        {"number": "3", "truth": "yes", "null": "null", "list": "[1]", "equals": "a=b"},
        {"hash": "a #b", "colon": "a: b", "tag": "!!int 3", "anchor": "&a", "date": "2024-07-26"},
    ],
)
def test_what_is_written_is_read_back(variables: dict[str, TemplateValue]) -> None:
    assert read_template_line(template_line(variables)) == variables


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("thinking", "expected NAME=VALUE, found thinking"),
        ("a=1 a=2", "a is there twice"),
        ("a='x", "a quotation mark is missing"),
        ("messages=1", "expected a variable of"),
        ("1a=2", "expected the name of a template variable"),
    ],
)
def test_what_is_no_variable_is_refused(line: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_template_line(line)
    assert caught.value.message.startswith(why)
