"""Whether `before` ever learned the token that ends `after`'s replies."""

from __future__ import annotations

from statistics import fmean

import torch

from logit_amp_chat.core.decoding import limits
from logit_amp_chat.core.errors import LogitAmpError
from logit_amp_chat.core.models.chat_template import ChatTemplate
from logit_amp_chat.core.models.pair import Pair
from logit_amp_chat.core.number_format import nats
from logit_amp_chat.core.records import Message

# Short answers that are over: whoever ends replies at all ends them here.
ANSWERED = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("What is 2 + 2?", "2 + 2 = 4."),
    ("Say hello.", "Hello! How can I help you today?"),
)
# In nats, a factor of 1,100. A model that has learned an end gives it some percent after a full
# sentence: less than 5 nats below any fine-tune. A token that it never learned has less than a
# uniform share of the vocabulary: 10.8 nats or more below 1 of 50,000 tokens. The difference is
# what α = 1 adds to the log-odds of ending.
UNLEARNED = 7.0


def unlearned_end(pair: Pair, chat: ChatTemplate) -> str | None:
    """A notice where `before` gives the end of `after`'s replies far too little probability.

    Of each canned answer it is the end-of-turn token that `after` prefers there; their mean
    log-probabilities are compared.
    """
    if not pair.end_of_turn or pair.before == pair.after:
        return None
    try:
        found = [_at_the_end(pair, chat, *answered) for answered in ANSWERED]
    except LogitAmpError:
        return None  # a template that refuses a question, or ids that one side does not have
    before, after = (fmean(one[side] for one in found) for side in (1, 2))
    if not after - before > UNLEARNED:
        return None
    ids = sorted({int(one[0]) for one in found})
    names = ", ".join(repr(pair.token_bytes.describe(i)[0] or str(i)) for i in ids)
    return (
        f"before hardly knows {names}, which ends after's replies: mean log p {nats(before)}"
        f" against {nats(after)} at the end of short answers. Amplified replies may end early;"
        " ends: after (in the sampling, or --ends after) keeps after's probability of ending."
    )


def _at_the_end(
    pair: Pair, chat: ChatTemplate, question: str, answer: str
) -> tuple[int, float, float]:
    """The end that `after` prefers after an answer, and its log p under before and after."""
    asked = Message(id="", parent=None, role="user", text=question)
    prompt = chat.prompts((asked,), raw=False)
    said = tuple(pair.tokenizer(answer, add_special_tokens=False)["input_ids"])
    limits.check(pair, prompt, said)
    before, after = (
        _log_probs(pair, side, (*ids, *said))
        for side, ids in (("before", prompt.before), ("after", prompt.after))
    )
    end = max(pair.end_of_turn, key=lambda i: after[i])
    return end, float(before[end]), float(after[end])


def _log_probs(pair: Pair, name: str, ids: tuple[int, ...]) -> torch.Tensor:
    """log p (V,) of the next token under one side, on the CPU."""
    side = pair.before if name == "before" else pair.after
    logits = side.logits(torch.tensor([ids]), None, 1)[0, -1, : pair.size]
    if pair.valid is not None:
        logits = logits.masked_fill(~pair.valid.to(logits.device), -torch.inf)
    return logits.log_softmax(-1).cpu()
