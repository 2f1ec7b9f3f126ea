"""What must stand around the text, derived from the file and from what the user has set."""

from __future__ import annotations

import math
import re
from statistics import fmean

from logit_amp_chat.core.records import Step
from logit_amp_chat.core.sampling import Sampling
from logit_amp_chat.tui.token_log.blocks import ReplyBlock
from tests.tui.chat.derivation import (
    File,
    conditions,
    nats,
    running,
    shown_lanes,
    signed,
    title,
    which,
)
from tests.tui.chat_driver import Chat, text_of

WINDOW = 32
METRICS = {
    "kl": lambda step: f"{nats(step.kl)} nats",
    "shift": lambda step: f"{change(step.logp.after - step.logp.before)} nats",
    "rank": lambda step: f"rank A {step.rank.after} → α {step.rank.amplified}",
    "entropy": lambda step: f"{nats(step.entropy)} nats",
}


def change(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def number(value: float) -> str:
    return f"{value:g}"


# --- which token the figures are about ------------------------------------------


def shown_reply(chat: Chat) -> str | None:
    """The reply under the cursor, or the last one of the log that the keys act on."""
    log = chat.screen.view.current_log
    if log.cursor is not None:
        return log.cursor.reply
    replies = [block.id for block in log.blocks if isinstance(block, ReplyBlock)]
    return replies[-1] if replies else None


def place_to_inspect(chat: Chat, file: File, reply: str) -> int:
    """The cursor's token; or the newest of a stream, the fork, the most changed token."""
    log, steps = chat.screen.view.current_log, file.steps[reply]
    if log.cursor is not None:
        return log.cursor.step
    if reply in running(chat) - set(file.finishes):
        return len(steps) - 1
    fork = lane_fork(chat, file, reply) if chat.screen.view.comparing else branch(file, reply)
    if fork is not None and fork < len(steps):
        return fork
    own = range(file.replies[reply].forced, len(steps)) or range(len(steps))
    words = [place for place in own if not steps[place].special] or list(own)
    return max(words, key=lambda place: (abs(delta(steps[place])), -place))


def delta(step: Step) -> float:
    return step.logp.after - step.logp.before


def first_difference(a: list[Step], b: list[Step], start: int) -> int | None:
    pairs = enumerate(zip(a[start:], b[start:], strict=False), start)
    return next((place for place, (x, y) in pairs if x.token != y.token), None)


def lane_fork(chat: Chat, file: File, reply: str) -> int | None:
    """Where a lane parts from the reference lane; for that one, where the first other does."""
    shown, names = shown_lanes(chat), list(chat.screen.view.lanes.lanes)
    reference = shown.get("after" if "after" in names else names[0])
    if reference is None:
        return None
    given = file.replies[reply].forced
    others = [reply] if reply != reference else [id for id in shown.values() if id != reference]
    forks = [first_difference(file.steps[o], file.steps[reference], given) for o in others]
    return min((fork for fork in forks if fork is not None), default=None)


def branch(file: File, reply: str) -> int | None:
    """The given token of a branch that none of its older siblings has."""
    siblings = file.siblings(file.replies[reply])
    given, own = file.replies[reply].forced, file.steps[reply]
    if len(own) < given:
        return None
    shared = []
    for older in siblings[: siblings.index(reply)]:
        other = file.steps[older]
        fork = first_difference(own, other, 0)
        shared.append(min(len(own), len(other)) if fork is None else fork)
    furthest = max(shared, default=given)
    return furthest if furthest < given else None


# --- the lines ------------------------------------------------------------------


def check_bar(chat: Chat) -> None:
    """α, every filter that acts, and means over the newest sampled tokens."""
    first, second = text_of(chat.screen.view.alpha_bar).split("\n")
    sampling: Sampling = chat.session.sampling
    acting = {
        "τ": sampling.plausibility,
        "T": sampling.temperature,
        "top-p": sampling.top_p if sampling.top_p < 1 else 0,
        "top-k": sampling.top_k,
        "min-p": sampling.min_p,
    }
    for name, value in acting.items():
        said = re.search(rf"(?<![\w-]){name} ?([\d.]+)", first)
        if value or name == "T":
            assert said is not None, f"{name} acts"
            assert said[1] == number(value)
        else:
            assert said is None, f"{name} is off"
    assert f"seed {sampling.seed}" in first
    alpha = chat.session.alpha
    shown = signed(alpha)
    assert re.search(rf"[─┼━┿●▶◀BA] +{re.escape(shown)} ", first)
    means = _means(chat)
    assert means in second
    assert ("log pA" in second) == bool(means)


def _means(chat: Chat) -> str:
    file, reply = File.of(chat.saved), shown_reply(chat)
    if reply is None:
        return ""
    cursor = chat.screen.view.current_log.cursor
    end = cursor.step + 1 if cursor else len(file.steps[reply])
    given = file.replies[reply].forced
    window = file.steps[reply][max(given, end - WINDOW) : end]
    if not window:
        return ""
    logp = nats(fmean(step.logp.after for step in window))
    rest = f"H {nats(fmean(s.entropy for s in window))}  KL {nats(fmean(s.kl for s in window))}"
    lane = ""
    if chat.screen.view.comparing:
        name = title(chat.screen.view.lanes.current.head.alpha)
        lane = {"before": "B", "after": "A"}.get(name, name) + " "
    here = " to here" if cursor else ""
    return f"{lane}last {len(window)}{here}: log pA {logp}  {rest}"


def check_status(chat: Chat) -> None:
    """How much of the context the newest reply of the thread takes, and whether it is saved."""
    file, line = File.of(chat.saved), text_of(chat.screen.view.status)
    replies = [b.id for b in chat.screen.view.log_view.blocks if b.id in file.replies]
    if replies:
        used = len(file.replies[replies[-1]].prompt.after) + len(file.steps[replies[-1]])
        assert f"context {used}/512" in line
    else:
        assert "context" not in line
    assert ("chat saved" in line) == bool(chat.saved)


def check_inspector(chat: Chat) -> None:
    """The token it is about, with its figures."""
    inspector = chat.screen.view.inspector
    if not inspector.display:
        return
    file, reply, text = File.of(chat.saved), shown_reply(chat), text_of(inspector)
    if reply is None or not file.steps[reply]:
        assert "Nothing to inspect yet" in text
        return
    steps, place = file.steps[reply], place_to_inspect(chat, file, reply)
    lines = [" ".join(line.split()) for line in text.split("\n")]
    step = steps[place]
    given = " · given" if place < file.replies[reply].forced else ""
    assert lines[0] == f"token {place + 1} of {len(steps)}{given} {heading(step.alpha)}"
    for name, log_p in zip(("before", "after", "amplified"), _log_probs(step), strict=True):
        (line,) = (line for line in lines if re.match(rf"[BAα] {name} ", line))
        assert f"{math.exp(log_p):.3f}" in line
    assert any(f"KL A‖B {nats(step.kl)}" in line for line in lines)


def _log_probs(step: Step) -> tuple[float, float, float]:
    return step.logp.before, step.logp.after, step.logp.amplified


def heading(alpha: float) -> str:
    """A lane's name with its letter, once."""
    return {-1.0: "B before", 0.0: "A after"}.get(alpha, title(alpha))


def check_legend(chat: Chat) -> None:
    """There where tokens are coloured, with the value at the cursor and of no other token."""
    view = chat.screen.view
    metric, cursor = view.legend.metric, view.current_log.cursor
    assert view.legend.display == (metric is not None)
    if metric is None:
        return
    line = text_of(view.legend)
    assert metric.title in line
    if cursor is not None:
        step = File.of(chat.saved).steps[cursor.reply][cursor.step]
        assert line.endswith(f"  {METRICS[metric.id](step)}")
    else:
        assert line.endswith("n/N jump")


def check_footer(chat: Chat) -> None:
    """Keys that do what they say where the keyboard is."""
    view, footer = chat.screen.view, chat.footer
    transcript, busy = view.place == "transcript", chat.engine.request is not None
    cursor = view.current_log.cursor is not None
    assert ("branch …" in footer) == (transcript and cursor)
    for label in ("keep", "which αs", "own histories"):
        assert (label in footer) == (transcript and chat.session.comparing)
    assert ("end lane" in footer) == (transcript and chat.session.comparing and busy)
    assert "stop" not in footer or busy


def check_composer(chat: Chat) -> None:
    """Why a message would not be sent at once."""
    said, session = str(chat.screen.view.composer.border_title or ""), chat.session
    if session.editing is not None:
        assert said.startswith("editing")
    elif session.queued:
        assert said.startswith(f"{len(session.queued)} waiting")
    else:
        assert said == ""


def check_welcome(chat: Chat) -> None:
    """An empty chat names what is not as the profile has it, and nothing else."""
    view, session = chat.screen.view, chat.session
    if [block.id for block in view.log_view.blocks] != ["welcome"]:
        return
    page = " ".join(text_of(view.log_view).split())
    own, usual = session.sampling.model_dump(), session.profile.sampling.model_dump()
    changed = {
        f"{name.replace('_', ' ')} {value if isinstance(value, str) else number(value)}": value
        != usual[name]
        for name, value in own.items()
        if not isinstance(value, tuple)
    }
    changed[f"α {signed(session.alpha)}"] = session.alpha != session.profile.alpha
    changed["“Be brief.”"] = session.system is not None
    changed["coloured by"] = view.legend.metric is not None
    _, still, rest = page.partition("Still set: ")
    assert bool(still) == any(changed.values())
    for said, set_ in changed.items():
        assert (said in rest) == set_


def check_comparison(chat: Chat) -> None:
    """The message that the lanes answer, whose history they continue, which one is kept."""
    view, file = chat.screen.view, File.of(chat.saved)
    thread = [block.id for block in view.log_view.blocks]
    shown = shown_lanes(chat)
    some = next(iter(shown.values()), None)
    asked = [id for id in thread if id in file.messages and file.messages[id].role == "user"]
    message = file.messages[(file.replies[some].parent if some else asked[-1]) or ""]
    version = which(message.id, file.versions(message))
    said = " ".join(filter(None, [message.text, version]))
    assert " ".join(str(view.prompt.render()).split()) == said
    assert (str(view.history.render()) if view.history.display else "") == conditions(chat)
    for name, lane in view.lanes.lanes.items():
        kept = shown.get(name) in thread
        head = text_of(lane.head)  # a narrow column says it with a tick
        assert ("continues the chat" in head or "✓" in head) == (kept and bool(lane.display))
