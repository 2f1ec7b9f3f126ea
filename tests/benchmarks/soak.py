"""Soak: a seeded user who never stops, and an engine that must not grow, drift or fail.

    python -m tests.benchmarks.soak --tokens 200000 [--profile demo] [--seed 0]

Without --profile a tiny random pair is made for the run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from logit_amp_chat.core.config.profile import Profile, load_profile
from logit_amp_chat.core.decoding.prefix_cache import DEPTH, PrefixCache
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.errors import ContextError
from logit_amp_chat.core.protocol import Event, Forget, Lane, Request, SetAlpha, SetSampling, Stop
from logit_amp_chat.core.records import Change, Finish, Message, Record, Reply, Step, new_id
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.engine.local_decoder import runner_of

WORDS = "otters eat fish and crabs the sea is blue why naïve 日本 🙂 [/b] \x1b[31m \u202e 12 ?"
ALPHAS = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 64.0)
WARM = 0.25
CHECK_EVERY = 50  # turns
# fp32, and sums in another order.
DRIFT = 1e-3


class User:
    """Chats, compares, branches, changes α and sampling, stops; all from one seed.

    `record` gets what a transcript would. `leaves`: sometimes the user goes
    away in mid-reply and the engine's generator is closed.
    """

    def __init__(
        self,
        engine: LocalEngine,
        seed: int,
        record: Callable[[Record], None] = lambda _: None,
        leaves: bool = True,
    ) -> None:
        self.engine = engine
        self.done: Counter[str] = Counter()
        self.conversation = Conversation()
        self._random = random.Random(seed)
        self._record = record
        self._leaves = leaves
        self._turns = 0

    def turn(self) -> list[ReplyLog]:
        """One message or branch and its lanes; the replies it brought."""
        if self._turns == 0:
            self._new_chat()
        request = self._request()
        replies: list[ReplyLog] = []
        try:
            for event in self._events(request):
                if isinstance(event, Reply | Step | Change | Finish):
                    self._take(event)
                if isinstance(event, Reply):
                    replies.append(self.conversation.replies[event.id])
                self._meddle(request, event)
        except ContextError:
            self.done["contexts used up"] += 1
            self._turns = 0
            return []
        self._turns -= 1
        self.done["turns"] += 1
        self.done["lanes"] += len(replies)
        self.done["tokens"] += sum(len(log.steps) for log in replies)
        return replies

    def _events(self, request: Request) -> Iterator[Event]:
        stays = self._random.randint(1, 30) if self._chance(0.03) and self._leaves else None
        for count, event in enumerate(self.engine.generate(request)):
            yield event
            if count == stays:
                self.done["closed"] += 1
                return

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _take(self, record: Record) -> None:
        self.conversation.add(record)
        self._record(record)

    def _new_chat(self) -> None:
        self._turns = self._random.randint(1, 12)
        self.conversation = Conversation()
        self._take(self.engine.opened.session)
        self.engine.apply(Forget())
        self.done["chats"] += 1
        if self._chance(0.3):
            self._say("system", 1)

    def _say(self, role: str, most: int = 12) -> None:
        text = " ".join(self._random.choices(WORDS.split(), k=self._random.randint(0, most)))
        parent = self.conversation.leaf
        self._take(Message(id=new_id("m"), parent=parent, role=role, text=text))  # type: ignore[arg-type]

    def _request(self) -> Request:
        """An answer to a new message, or another one to an earlier message."""
        asked = [m for m in self.conversation.messages.values() if m.role == "user"]
        forced: tuple[int, ...] = ()
        if asked and self._chance(0.25):
            message = self._random.choice(asked)
            self.conversation.leaf = message.id
            if (old := self.conversation.replies_to(message.id)) and self._chance(0.6):
                steps = self._random.choice(old).steps
                forced = tuple(s.token for s in steps[: self._random.randint(0, len(steps))])
            self.done["branches"] += 1
        else:
            self._say("user")
        alphas = self._random.sample(ALPHAS, self._random.choice((1, 1, 1, 2, 3, 4)))
        return Request(
            messages=self.conversation.history(),
            lanes=tuple(Lane(reply=new_id("r"), name="amplified", alpha=a) for a in alphas),
            sampling=self._sampling(),
            forced=forced,
            top=self._random.choice((0, 3, 10)),
        )

    def _sampling(self) -> Sampling:
        return Sampling(
            temperature=self._random.choice((0.0, 0.7, 1.0, 1.5)),
            top_p=self._random.choice((0.9, 1.0)),
            top_k=self._random.choice((0, 0, 40)),
            plausibility=self._random.choice((0.0, 0.01)),
            max_new_tokens=self._random.randint(1, 60),
            seed=self._random.randrange(1000),
        )

    def _meddle(self, request: Request, event: Event) -> None:
        """Between two tokens: change α, change the sampling, stop a lane or all."""
        if not isinstance(event, Step):
            return
        reply = self._random.choice(request.lanes).reply
        if self._chance(0.03):
            self.engine.apply(SetAlpha(reply, self._random.choice(ALPHAS)))
            self.done["α changes"] += 1
        if self._chance(0.01):
            self.engine.apply(SetSampling(self._sampling()))
            self.done["sampling changes"] += 1
        if self._chance(0.01):
            self.engine.apply(Stop(self._random.choice((None, reply))))
            self.done["stops"] += 1


# --- what is watched ------------------------------------------------------------


def resident() -> int:
    """Bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def cached(side: PrefixCache) -> tuple[int, int]:
    """How many caches a side keeps, and how many bytes they hold."""
    stores = {
        store.data_ptr(): store.nbytes()
        for kept in side._kept
        if kept.cache is not None
        for layer in kept.cache.layers
        for store in (layer.keys.untyped_storage(), layer.values.untyped_storage())
    }
    return len(side._kept), sum(stores.values())


@torch.inference_mode()
def drift(engine: LocalEngine, log: ReplyLog) -> float:
    """The largest difference, in nats, of a reply's recorded log-probabilities to those
    of the whole sequence read at once."""
    prompt, said = log.reply.prompt, [step.token for step in log.steps]
    worst = 0.0
    for name, side, ids in (
        ("before", engine.pair.before, prompt.before),
        ("after", engine.pair.after, prompt.after),
    ):
        whole = torch.tensor([[*ids, *said[:-1]]])
        logits = side.logits(whole, side.new_cache(), len(said))[0, :, : engine.pair.size]
        if engine.pair.valid is not None:
            logits = logits.masked_fill(~engine.pair.valid, -torch.inf)
        expected = logits.log_softmax(-1).cpu()
        for row, step in zip(expected, log.steps, strict=True):
            worst = max(worst, abs(float(row[step.token]) - getattr(step.logp, name)))
    return worst


@dataclass
class Watch:
    """What was seen of an engine during a soak."""

    tokens: int = 0
    seconds: float = 0.0
    warm: int = 0
    memory: list[int] = field(default_factory=list)
    caches: int = 0
    cache_bytes: int = 0
    checkpoints: int = 0
    drift: float = 0.0
    done: Counter[str] = field(default_factory=Counter)

    @property
    def growth(self) -> float:
        """Memory of the last tenth against that right after warm-up, as a share."""
        if len(self.memory) < 10:
            return 0.0
        tenth = len(self.memory) // 10
        return statistics.median(self.memory[-tenth:]) / statistics.median(self.memory[:tenth]) - 1


def soak(
    engine: LocalEngine,
    tokens: int,
    seed: int = 0,
    check_every: int = CHECK_EVERY,
    report: Callable[[Watch], None] = lambda _: None,
) -> Watch:
    """Let a user chat for `tokens` tokens and watch."""
    user, watch = User(engine, seed), Watch()
    began = time.monotonic()
    for turn in range(1, sys.maxsize):
        replies = user.turn()
        watch.tokens = user.done["tokens"]
        for side in runner_of(engine).caches:
            caches, size = cached(side)
            watch.caches = max(watch.caches, caches)
            watch.cache_bytes = max(watch.cache_bytes, size)
        if turn % check_every == 0:
            watch.checkpoints += 1
            watch.drift = max([watch.drift, *(drift(engine, log) for log in replies if log.steps)])
        if watch.tokens >= tokens * WARM:
            watch.memory.append(resident())
        watch.seconds = time.monotonic() - began
        watch.done = user.done
        if turn % 100 == 0:
            report(watch)
        if watch.tokens >= tokens:
            return watch
    raise AssertionError("unreachable")


def most_cache_bytes(engine: LocalEngine, lanes: int = 4) -> int:
    """What a side's caches may hold: `DEPTH` of full context, with room to grow."""
    config = engine.pair.after.model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * size * 4
    return DEPTH * lanes * engine.pair.context * 2 * int(token)


def figures(watch: Watch) -> str:
    """The figures of a soak as lines."""
    done = ", ".join(f"{count:,} {what}" for what, count in sorted(watch.done.items()))
    memory = watch.memory or [0]
    return (
        f"{watch.tokens:,} tokens in {watch.seconds:,.0f} s ({done})\n"
        f"memory after warm-up {memory[0] / 1e6:,.0f} MB, at the end {memory[-1] / 1e6:,.0f} MB,"
        f" most {max(memory) / 1e6:,.0f} MB: {watch.growth:+.2%}\n"
        f"caches a side: at most {watch.caches}, {watch.cache_bytes / 1e6:,.1f} MB\n"
        f"cached against recomputed: {watch.checkpoints} checkpoints, at most"
        f" {watch.drift:.1e} nats apart"
    )


def main() -> int:
    """Run a soak from the command line; 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", help="default: a tiny random pair")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine.open(_profile(options.profile, Path(folder)))
        watch = soak(
            engine,
            options.tokens,
            options.seed,
            report=lambda w: print(f"{w.tokens:,} tokens, {resident() / 1e6:,.0f} MB", flush=True),
        )
        bound = most_cache_bytes(engine)
    print(figures(watch))
    bounded = watch.caches <= DEPTH and watch.cache_bytes <= bound
    return int(not bounded or watch.growth > 0.05 or watch.drift > DRIFT)


def _profile(name: str | None, folder: Path) -> Profile:
    if name:
        return load_profile(name)
    from tests.models import save_pair

    before, after = save_pair(folder)
    sides = {"before": {"model": str(before)}, "after": {"model": str(after)}}
    return Profile.model_validate({**sides, "name": "tiny", "dtype": "float32", "device": "cpu"})


if __name__ == "__main__":
    sys.exit(main())
