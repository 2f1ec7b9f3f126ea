"""Variables as they are typed, and moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from logit_amp_chat.core.config.prompt_settings import checked_variables, moment_of, variable
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.records import TemplateValue


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("enable_thinking=false", "enable_thinking", False),
        ("n=3", "n", 3),
        ("t=1e-3", "t", 0.001),
        ("effort=low", "effort", "low"),
        ("date_string=26 Jul 2024", "date_string", "26 Jul 2024"),
        ('date_string="26 Jul 2024"', "date_string", "26 Jul 2024"),
        ("day=2024-07-26", "day", "2024-07-26"),
        ("x=null", "x", None),
        ("x='3'", "x", "3"),
        ("x=a=b", "x", "a=b"),
        ("x=[1, 2]", "x", "[1, 2]"),
        ("x={", "x", "{"),
        ("x=a: b", "x", "a: b"),
        (" x =1", "x", 1),
    ],
)
def test_a_value_is_a_scalar_of_yaml_or_text(text: str, name: str, value: TemplateValue) -> None:
    found = variable(text)
    assert found == (name, value)
    assert type(found[1]) is type(value)


def test_nothing_is_an_empty_text() -> None:
    assert variable("x=") == variable('x=""') == ("x", "")
    assert variable("x=~") == ("x", None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected NAME=VALUE, found nothing"),
        ("thinking", "expected NAME=VALUE, found thinking"),
        ("=1", "the name of a template variable, such as enable_thinking"),
        ("a-b=1", "found a-b"),
        ("messages=1", "of the template's own"),
        ("tools=1", "found tools"),
        ("x=.nan", "expected a finite number, found nan"),
    ],
)
def test_what_cannot_be_a_variable_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        variable(text)


@pytest.mark.parametrize("given", [{"x": [1]}, {3: 1}, ["x"], "x=1", {"x": float("inf")}])
def test_python_s_variables_are_checked_too(given: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        checked_variables(given)


def test_a_moment_is_a_date_or_a_time_in_utc_unless_it_names_a_zone() -> None:
    assert moment_of("2026-07-26") == datetime(2026, 7, 26, tzinfo=UTC)
    assert moment_of("2026-07-26T12:30") == datetime(2026, 7, 26, 12, 30, tzinfo=UTC)
    zone = timezone(timedelta(hours=2))
    assert moment_of("2026-07-26T12:30+02:00") == datetime(2026, 7, 26, 12, 30, tzinfo=zone)
