"""What a conversation of 20,000 tokens costs to show.

    python -m tests.benchmarks.reading

Runs the chat with an engine that has no models, so that the screen alone is
measured: a frame with two new tokens in the first and in the last tenth, then
scrolling, searching, moving the cursor, jumping and re-wrapping in the whole;
from the key to the written frame, in milliseconds of the screen's thread, which
other work on the machine changes little. And the memory that a token takes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from logit_amp_chat.core.records import Finish, LogProbs, Message, PromptIds, Ranks, Reply, Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from logit_amp_chat.tui.token_log.cursor import Cursor
from tests.tui.chat_driver import Chat, open_chat
from tests.tui.fake_engine import candidates

WORDS = "the otter sees a river , where crabs and fish sleep . everything is green ; wonder ful \n"


def words(count: int, seed: int) -> str:
    """Text of about so many of the fake engine's tokens."""
    draw = random.Random(seed)
    return " ".join(draw.choices(WORDS.split(" "), k=count))


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.95)] * 1e3


async def painted(chat: Chat, act: Callable[[], object]) -> float:
    """Seconds of work that an act takes until everything it changed is written."""
    begin = time.thread_time()
    act()
    await chat.pilot.pause()
    return time.thread_time() - begin


async def stream(chat: Chat, turns: int, tokens: int) -> tuple[list[float], list[float]]:
    """The seconds of frames with two new tokens each, in the first and in the last tenth.

    What lies between is put into the conversation at once.
    """
    found: list[list[float]] = []
    middle = turns - 2
    for turn, count in enumerate((1, middle, 1)):
        if turn == 1:
            for number in range(count):
                add_turn(chat, number, tokens)
            chat.screen.view.refresh_all()
            await chat.until(lambda: next(chat.screen.view.log_view.page.unwrapped, None) is None)
            continue
        chat.engine.texts["amplified"] = words(tokens, turn)
        chat.session.submit("and otters?")
        await chat.frame()
        found.append([])
        while chat.engine.request is not None:
            chat.engine.step(2)
            found[-1].append(await painted(chat, chat.screen.take_frame))
    return found[0], found[1]


def add_turn(chat: Chat, number: int, tokens: int) -> None:
    """One more question with its answer, as if it had been there before."""
    state = chat.session.conversation
    state.add(Message(id=f"m{number}", parent=state.leaf, role="user", text="Otters?"))
    log = long_reply(tokens, f"r{number}", f"m{number}")
    state.add(log.reply)
    for step in log.steps:
        state.add(step)
    state.add(Finish(reply=log.id, reason="stop", tokens=tokens, seconds=1.0))


async def measure(turns: int, tokens: int, size: tuple[int, int]) -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_chat(Path(folder), size=size) as chat:
            chat.engine.context = 10**6
            chat.screen.action_inspect()
            first, last = map(statistics.median, await stream(chat, turns, tokens))
            total = sum(len(log.steps) for log in chat.session.conversation.replies.values())
            print(f"{total:,} tokens in {turns} replies at {size[0]}×{size[1]}")
            print(
                f"frame, first tenth {first * 1e3:.2f} ms, last tenth {last * 1e3:.2f} ms", end=""
            )
            print(f"  ratio {last / first:.2f}")
            for name, seconds in (await acts(chat)).items():
                middle, high = percentiles(seconds)
                print(f"{name:24} median {middle:6.1f} ms   p95 {high:6.1f} ms")


async def acts(chat: Chat) -> dict[str, list[float]]:
    """The seconds of everything one does in a long conversation, key by key."""
    await chat.press("escape")
    log = chat.screen.view.log_view
    draw = random.Random(0)
    replies = list(chat.session.conversation.replies.values())

    def anywhere() -> Cursor:
        reply = draw.choice(replies)
        return Cursor(reply.id, draw.randrange(len(reply.steps)))

    async def sample(act: Callable[[], object], count: int = 40) -> list[float]:
        return [await painted(chat, act) for _ in range(count)]

    results = {"scroll a page": await sample(lambda: chat.screen.action_page(-1))}
    results["jump to any token"] = await sample(lambda: log.set_cursor(anywhere()))
    results["cursor by token"] = await sample(lambda: chat.screen.action_token(-1))
    results["cursor by word"] = await sample(lambda: chat.screen.action_word(-1))
    results["cursor by line"] = await sample(lambda: chat.screen.action_line(-1))
    results["cursor by reply"] = await sample(lambda: chat.screen.action_reply(-1))

    def look_for() -> None:
        log.search(draw.choice(["otter", "river", "lighthouse", "crabs and", "zebra"]))
        log.move_to_hit(1)
        chat.screen.view.refresh_legend()

    results["search, each letter"] = await sample(look_for)
    log.search("otter")
    results["next hit"] = await sample(lambda: chat.screen.action_next(-1))
    log.search("")
    results["colour by another"] = await sample(chat.screen.action_colour)
    results["next hunk"] = await sample(lambda: log.move_by_hunk(-1))
    results["resize, view re-wrapped"] = [await resized(chat, 60 + i) for i in range(20)]
    return results


async def resized(chat: Chat, width: int) -> float:
    """Seconds of work until the view stands in another width."""
    begin = time.thread_time()
    await chat.pilot.resize_terminal(width, 40)
    return time.thread_time() - begin


def memory(total: int) -> None:
    """Print what a token takes: its record with ten candidates, and its place on the screen."""
    gc.collect()
    tracemalloc.start()
    log = long_reply(total)
    recorded = tracemalloc.get_traced_memory()[0]
    block = ReplyBlock(log)
    block.lay_out(100)
    shown = tracemalloc.get_traced_memory()[0] - recorded
    tracemalloc.stop()
    print(f"memory of {total:,} tokens: {recorded / total:,.0f} bytes a token recorded", end="")
    print(f" with its candidates, {shown / total:,.0f} shown")


def long_reply(total: int, id: str = "r", parent: str | None = None) -> ReplyLog:
    """One reply of so many tokens, every candidate its own object as from the engine's pipe."""
    prompt = PromptIds((1,), (1,))
    reply = Reply(
        id=id, parent=parent, lane="amplified", alpha=1.0, seed=0, turn=0,
        sampling=Sampling(), prompt=prompt,
    )  # fmt: skip
    log = ReplyLog(reply)
    draw = random.Random(0)
    for index in range(total):
        word = " " + draw.choice(WORDS.split(" "))
        top = candidates(word, index)
        log.add(
            Step(
                reply=id,
                index=index,
                alpha=1.0,
                token=top[0].id,
                text=word,
                logp=LogProbs(top[0].before, top[0].after, top[0].amplified),
                rank=Ranks(1, 1, 1),
                kl=index / 7,
                kl_amplified=index / 9,
                entropy=index / 11,
                top=top,
            )
        )
    return log


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=500, help="of each reply")
    parser.add_argument("--width", type=int, default=120)
    parser.add_argument("--height", type=int, default=40)
    options = parser.parse_args()
    for total in (5_000, 20_000):
        memory(total)
    asyncio.run(measure(options.turns, options.tokens, (options.width, options.height)))


if __name__ == "__main__":
    main()
