"""A phrase that was found in some replies is counted in the others alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from logit_amp_chat.core.experiments.sweep.behaviours import Kind, Replies, Verdict
from logit_amp_chat.core.experiments.sweep.discovery import is_confirming
from logit_amp_chat.core.experiments.sweep.phrases import Phrase

WHERE_FOUND = "the phrase was looked for in it"


class ConfirmedPhrase:
    """A behaviour: a discovered phrase, in the half of the replies that did not choose it.

    In the other half its rate is too high: it was chosen because it is common there.
    """

    kind: Kind = "phrase"
    numeric = False

    def __init__(self, phrase: Phrase) -> None:
        self.name = phrase.name
        self.definition: dict[str, Any] = {**phrase.definition, "replies": "with odd n"}
        self._phrase = phrase

    def verdicts(self, replies: Replies) -> Iterator[Verdict]:
        """Those of the phrase; NaN, which counts nowhere, in the half where it was found."""
        for prompt, reply in replies:
            (verdict,) = self._phrase.verdicts([(prompt, reply)])
            yield verdict if is_confirming(reply) else Verdict(math.nan, refused=WHERE_FOUND)

    def close(self) -> None:
        """There is nothing to free."""
