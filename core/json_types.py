"""How fields of records are written as JSON: every name has one type in all of them.

Tables are read from such files by programs that give a column one type. JSON has no
infinities, so log 0 is null; a list of numbers and words becomes columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

NEVER = -math.inf


class NullAs:
    """An infinite number that is null in JSON. Files of version 1 have a string for it."""

    def __init__(self, infinite: float) -> None:
        self.infinite = infinite

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        number = handler(source)
        null = core_schema.no_info_after_validator_function(
            lambda _: self.infinite, core_schema.none_schema()
        )
        written = core_schema.plain_serializer_function_ser_schema(self._written)
        return core_schema.union_schema([number, null], mode="left_to_right", serialization=written)

    def _written(self, value: float) -> float | None:
        return None if value == self.infinite else value


class AsColumns:
    """Tuples that are columns in JSON, each under its name; null if there are none.

    Shorter than a list of objects, and each column has one type. In files of version 1 they
    are lists. −∞ is null in a column.
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(self._written)
        return core_schema.no_info_before_validator_function(
            self._read, handler(source), serialization=written
        )

    def _written(self, rows: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]] | None:
        if not rows:
            return None
        return {
            name: [None if value == NEVER else value for value in column]
            if NEVER in column
            else column
            for name, column in zip(self.names, zip(*rows, strict=True), strict=True)
        }

    def _read(self, found: Any) -> Any:
        """The rows, of columns that are all there and equally long; anything else as it is."""
        if found is None:
            return ()
        if not isinstance(found, dict):
            return found
        columns = [found.get(name) for name in self.names]
        if not all(isinstance(column, list) for column in columns):
            raise ValueError(f"expected the columns {', '.join(self.names)}")
        return [
            tuple(NEVER if value is None else value for value in row) if None in row else row
            for row in zip(*columns, strict=True)
        ]
