"""What is known of a profile's stages before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from transformers import GenerationConfig

from logit_amp_chat.core.config.profile import Profile, Side
from logit_amp_chat.core.config.stages import stages_of
from logit_amp_chat.core.errors import PairError
from logit_amp_chat.core.models.architecture import check_class
from logit_amp_chat.core.models.description import read_config
from logit_amp_chat.core.models.gguf_file import check_gguf
from logit_amp_chat.core.models.hub import adapter_source, model_source
from logit_amp_chat.core.models.loader import Origin, Report
from logit_amp_chat.core.models.side_tokenizer import side_tokenizer
from logit_amp_chat.core.models.vocabulary import (
    BEFORE_AND_AFTER,
    SharedVocabulary,
    Sides,
    Tokenizer,
    end_of_turn_ids,
    share_all,
)
from logit_amp_chat.core.protocol import Loading


@dataclass(frozen=True)
class DescribedStages:
    """The configurations and tokenizers of all stages, and the one vocabulary that they share.

    Usable ids, ends of turn, context, tokenizer and chat template are those of the whole chain, so
    that the same prompt has the same ids and a token the same log-probability under a stage, with
    whichever other stage it is compared. The last stage that has a template lends it to all.
    """

    origins: Mapping[str, Origin]
    tokenizer: Tokenizer
    template: str | None
    shared: SharedVocabulary
    notices: tuple[str, ...] = ()

    @property
    def ends(self) -> frozenset[int]:
        """The ids that any stage ends a turn with, by its files."""
        return end_of_turn_ids(
            source
            for origin in self.origins.values()
            for source in (_generation_config(origin), origin.config, origin.text.tokenizer)
            if source is not None
        )

    @property
    def context(self) -> int:
        """The longest text, in tokens, that every stage can read."""
        return min(origin.context for origin in self.origins.values())

    @property
    def rope_switch(self) -> int | None:
        """The longest text, in tokens, that no stage reads with the long frequencies of longrope.

        None if no stage has such a switch.
        """
        switches = [origin.rope_switch for origin in self.origins.values()]
        return min((switch for switch in switches if switch is not None), default=None)

    @property
    def revisions(self) -> dict[str, str | None]:
        """By stage, the commit of the Hub that its model is from; None for a folder."""
        return {name: origin.source.revision for name, origin in self.origins.items()}

    @property
    def tokenizers(self) -> tuple[Tokenizer | None, ...]:
        """Those of the stages, which may name ids that the shared one does not."""
        return tuple(origin.text.tokenizer for origin in self.origins.values())


def describe_stages(profile: Profile, report: Report) -> DescribedStages:
    """Read what describes the stages of a chain, or the two sides of a pair.

    Raises PairError where they cannot be compared.
    """
    origins = {stage.name: _look(stage.side, profile, report) for stage in stages_of(profile)}
    texts = [origin.text for origin in origins.values()]
    with_tokenizer = [text for text in texts if text.tokenizer is not None]
    if not with_tokenizer:
        models = " nor ".join(origin.side.model for origin in origins.values())
        raise PairError(
            f"Neither {models} has a tokenizer.",
            "Save one next to the weights of either side.",
        )
    tokenizer = with_tokenizer[-1].tokenizer
    names = [*origins]
    shown = names[texts.index(with_tokenizer[-1])]
    report(Loading(stage="vocabulary", detail="compare", done=0, total=1))
    found = [*origins.values()]
    shared = share_all(
        [text.tokenizer or tokenizer for text in texts],
        [origin.rows for origin in found],
        [text.name for text in texts],
        # An adapter's tokenizer may call the ids of its model something else: they are the same.
        lambda a, b: (
            profile.vocabulary == "by-id" or found[a].source.weights == found[b].source.weights
        ),
        lambda a, b: (
            Sides.of(f"{names[a]} and {names[b]}", shown) if len(names) > 2 else BEFORE_AND_AFTER
        ),
    )
    report(Loading(stage="vocabulary", detail="compare", done=1, total=1))
    templates = {name: origin.text.template for name, origin in origins.items()}
    template = next((one for one in reversed(templates.values()) if one), None)
    notices = tuple(_template_notices(templates)) if len(origins) > 2 else ()
    return DescribedStages(origins, tokenizer, template, shared, notices)


def _template_notices(templates: Mapping[str, str | None]) -> Iterable[str]:
    """A sentence where stages have chat templates that differ."""
    own = {name: template for name, template in templates.items() if template}
    if len({*own.values()}) > 1:
        *others, last = own
        differing = [name for name in others if own[name] != own[last]]
        yield (
            f"The chat template of {last} is used for all stages; that of"
            f" {', '.join(differing)} differs."
        )


def _look(side: Side, profile: Profile, report: Report) -> Origin:
    """Load a side's configuration and tokenizer, but no weights."""
    source = model_source(side, report)
    trust = profile.trust_remote_code
    if source.gguf:
        check_gguf(source.weights, side.model)
    config = read_config(source, trust)
    check_class(config, side.model)
    adapter = adapter_source(side.adapter, report) if side.adapter else None
    return Origin(side, source, adapter, config, side_tokenizer(source, adapter, trust))


def _generation_config(origin: Origin) -> GenerationConfig:
    """What a model generates with, as transformers finds it: beside the weights, or from them."""
    try:
        return GenerationConfig.from_pretrained(origin.source.folder)
    except (OSError, ValueError):
        return GenerationConfig.from_model_config(origin.config)
