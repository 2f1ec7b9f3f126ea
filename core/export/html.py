"""A conversation, or texts that were read, as one HTML page: coloured tokens with candidates.

The page is self-contained: no network, and a strict content security policy
that allows only its own style and script, by their hashes. Conversation text
is always escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from string import Template

from logit_amp_chat.core.analysis.plausibility_mask import masked
from logit_amp_chat.core.analysis.reply_stats import ReplyMeans
from logit_amp_chat.core.analysis.token_metrics import TOKEN_METRICS, TokenMetric
from logit_amp_chat.core.export import (
    describe,
    describe_reading,
    document_page,
    opening_table,
    page_parts,
    token_table,
)
from logit_amp_chat.core.export.blame_page import reply_section
from logit_amp_chat.core.export.page_tokens import (
    PageTokens,
    html_data,
    html_text,
    metric_class,
    metric_classes,
    span,
)
from logit_amp_chat.core.export.readings import Reading, read_documents
from logit_amp_chat.core.lanes import lane_colour, lane_heading
from logit_amp_chat.core.number_format import nats
from logit_amp_chat.core.records import Message, Note, Record, Session, Step, Unknown
from logit_amp_chat.core.transcripts.comparison import beside
from logit_amp_chat.core.transcripts.conversation import Conversation
from logit_amp_chat.core.transcripts.reply_log import ReplyLog

DEFAULT, DEFAULT_OF_TEXTS = "kl", "shift"


def to_html(records: Iterable[Record], readings: Sequence[Reading] = ()) -> str:
    """A self-contained page: about half a megabyte for 1,000 tokens.

    It has the texts that were read among the records, and those of `readings`.
    """
    records = list(records)
    return _Page(records, [*read_documents(records), *readings]).whole()


# --- colours --------------------------------------------------------------------


def _levels(metric: TokenMetric) -> list[int]:
    highest = len(metric.bounds)
    lowest = -highest if metric.diverging else 1
    return [level for level in range(lowest, highest + 1) if level]


def _shades(*, dark: bool) -> dict[str, str]:
    """The colours of every metric's levels, by the name of their variable."""
    pairs: dict[str, str] = {}
    for metric in TOKEN_METRICS.values():
        for level in _levels(metric):
            if colours := metric.colours(level, dark=dark):
                name = metric_class(metric, level)
                pairs |= {name: colours.ground, f"{name}t": colours.text}
    return pairs


def _colours() -> str:
    """CSS variables for light and dark, and the rules of each metric."""
    rules = [page_parts.themes(light=_shades(dark=False), dark=_shades(dark=True))]
    for metric in TOKEN_METRICS.values():
        chosen = f":root:has(#by-{metric.id}:checked)"
        rules.append(f"{chosen} .legend-{metric.id}{{display:block}}")
        for level in _levels(metric):
            name = metric_class(metric, level)
            rules.append(f"{chosen} .{name}{{color:var(--{name}t);background:var(--{name})}}")
        rules.append(f"{chosen} .{metric_class(metric, 'u')}{{text-decoration:underline}}")
        rules.append(f"{chosen} .{metric_class(metric, 'b')}{{font-weight:700}}")
    return "\n".join(rules)


def _choices(default: str) -> str:
    names = {"": "off", **{metric.id: metric.title for metric in TOKEN_METRICS.values()}}
    return "".join(
        f'<label><input type="radio" name="by" id="by-{name}" value="{name[:1]}"'
        f"{' checked' if name == default else ''}>{html_text(title)}</label>"
        for name, title in names.items()
    )


def _legends() -> str:
    return "".join(map(_legend, TOKEN_METRICS.values()))


def _legend(metric: TokenMetric) -> str:
    def chip(level: int) -> str:
        bound = f"{metric.bounds[abs(level) - 1]:g}"
        sign = "≤ −" if level < 0 else "≥ "
        return f'<i class="{metric_class(metric, level)}">{sign}{bound}</i>'

    chips = "".join(map(chip, _levels(metric)))
    return (
        f'<p class="legend-{metric.id}">{chips} {html_text(metric.unit)}'
        f" · {html_text(metric.help)} · {html_text(metric.marks)}</p>"
    )


# --- the page -------------------------------------------------------------------


@dataclass
class _Page:
    records: list[Record]
    readings: Sequence[Reading]
    tokens: PageTokens = field(default_factory=PageTokens)

    def __post_init__(self) -> None:
        self.state = Conversation(self.records)
        self.session = next((r for r in self.records if isinstance(r, Session)), None)
        self.numbers = {name: i for i, name in enumerate(self.state.messages, 1)}
        self.reply_numbers = {name: i for i, name in enumerate(self.state.replies, 1)}
        self.notes: dict[tuple[str, int | None], Note] = {
            (note.about, note.step): note for note in self.state.notes
        }

    def whole(self) -> str:
        """The whole page; style and script go into the policy by their hashes."""
        styles = page_parts.file("page.css") + page_parts.file("blamed.css")
        style = "\n" + styles.replace("$colours", _colours())
        script = "\n" + page_parts.file("page.js")
        texts_alone = describe_reading.are_alone(self.readings, self.state)
        title = describe_reading.heading(self.session, self.state, self.readings)
        return Template(page_parts.file("page.html")).substitute(
            title=html_text(title),
            about="".join(f"<li>{html_text(line)}</li>" for line in self._about()),
            choices=_choices(DEFAULT_OF_TEXTS if texts_alone else DEFAULT),
            legends=_legends(),
            body="\n".join(self._body()),
            tokens=self.tokens.data(),
            style=style,
            script=script,
            style_hash=page_parts.policy_hash(style),
            script_hash=page_parts.policy_hash(script),
        )

    def _about(self) -> Sequence[str]:
        if self.session is None:
            return ()
        return (*describe.pair(self.session), describe.circumstances(self.session))

    def _body(self) -> Iterator[str]:
        follows: str | None = None
        for message in self.state.messages.values():
            yield self._turn(message, follows)
            kept = self.state.kept(message.id)
            follows = kept.id if kept else message.id
        loose = [r for r in self.state.replies.values() if r.reply.parent not in self.numbers]
        if loose:
            heading = "<h2>Replies to messages that are not in the file</h2>"
            rows = "".join(self._lanes([log]) for log in loose)
            yield f'<section class="turn">{heading}{rows}</section>'
        if self.readings:
            yield from document_page.sections(self.readings, self.session, self.tokens)
        if strays := opening_table.to_html(self.state.stray_openings(), self.session):
            yield f'<section class="turn">{strays}</section>'
        if pairs := list(token_table.pair_tables(self.state)):
            yield _token_tables(pairs)
        unknown = {r.type for r in self.records if isinstance(r, Unknown)}
        if unknown:
            kinds = html_text(", ".join(sorted(unknown)))
            yield f"<p>Not shown, of a kind this version does not know: {kinds}.</p>"

    def _turn(self, message: Message, follows: str | None) -> str:
        number = self.numbers[message.id]
        version = describe.standing(self.state, message)
        said = html_text(describe.said(self.state, message), newlines=True)
        aside = ""
        if message.parent != follows:
            parent = html_text(describe.parent(self.state, message))
            target = self._number_of(message.parent)
            aside = f' · follows <a href="#m{target}">{parent}</a>' if target else f" · {parent}"
        parts = [
            f'<section class="turn" id="m{number}">',
            f"<h2>{number} · {html_text(message.role)}{html_text(version)}{aside}</h2>",
            f'<div class="said" dir="auto">{said}</div>',
            self._note(message.id),
            opening_table.to_html(self.state.openings(message.id), self.session),
        ]
        groups = list(self._groups(message.id))
        parts += map(self._lanes, groups[:1])
        if others := groups[1:]:
            count = sum(map(len, others))
            also = f"{count} other {'reply' if count == 1 else 'replies'} to this message"
            rows = "".join(map(self._lanes, others))
            parts.append(f'<details class="others"><summary>{also}</summary>{rows}</details>')
        return "\n".join([*filter(None, parts), "</section>"])

    def _number_of(self, parent: str | None) -> int | None:
        """The number of a message, or of the message that a reply answers."""
        if log := self.state.replies.get(parent or ""):
            parent = log.reply.parent
        return self.numbers.get(parent or "")

    def _groups(self, message: str) -> Iterator[list[ReplyLog]]:
        """The replies to a message, in groups to show side by side; the history first."""
        left = {log.id: log for log in self.state.replies_to(message)}
        own = any(log.reply.follows for log in left.values())
        kept = self.state.kept(message)
        for log in [*([kept] if kept else []), *left.values()]:
            if log.id in left:
                lanes = beside(self.state, log, own_histories=own).values()
                group = [one for one in lanes if one.id in left]
                yield sorted(group, key=lambda one: one.reply.alpha)
                left = {k: v for k, v in left.items() if v not in group}

    # --- replies ----------------------------------------------------------------

    def _lanes(self, logs: Sequence[ReplyLog]) -> str:
        after = next((log for log in logs if log.reply.lane == "after"), None)
        lanes = (self._lane(log, _fork(log, after, logs)) for log in logs)
        shared = html_text(f"seed {logs[0].reply.seed} · {describe.settings(logs[0])}")
        return f'<p class="meta">{shared}</p><div class="lanes">{"".join(lanes)}</div>'

    def _lane(self, log: ReplyLog, fork: int | None) -> str:
        which = describe.sibling(self.state, log)
        more = [which, describe.continues(self.state, log), log.name]
        name = html_text(" · ".join(["", *filter(None, more)]))
        models = ""
        if log.session and self.session and not describe.same_pair(log.session, self.session):
            models = f'<p class="meta">{html_text(" · ".join(describe.pair(log.session)))}</p>'
        data = f"r{self.reply_numbers[log.id]}"
        return (
            f'<article class="lane {lane_colour(log.reply.alpha)}">'
            f"<h3>{describe.lane(log, letter=True)}<small>{name}</small></h3>"
            f'{models}<p class="meta">{html_text(_summary(self.state, log))}</p>'
            f'<div class="text" dir="auto" data-steps="{data}">{self._tokens(log, fork)}</div>'
            f"{reply_section(log)}{self._notes(log)}"
            f'<script type="application/json" id="{data}">'
            f"{html_data([self._figures(log, step) for step in log.steps])}</script></article>"
        )

    def _tokens(self, log: ReplyLog, fork: int | None) -> str:
        parts = []
        for pieces, thought, last in describe.folds(log):
            spans = "".join(self._span(log, piece, fork) for piece in pieces)
            if thought:
                summary = f"<summary>{describe.thinking(thought)}</summary>"
                opened = " open" if last else ""
                spans = f'<details class="thought"{opened}>{summary}{spans}</details>'
            parts.append(spans)
        return "".join(parts)

    def _span(self, log: ReplyLog, piece: describe.Piece, fork: int | None) -> str:
        index = piece.step
        if index is None:
            return f"<mark>{escape(piece.text)}</mark>"
        classes = metric_classes(log.steps[index])
        classes += ["st"] if piece.stop else ["sp"] if piece.quiet else []
        classes += ["f"] if index < log.reply.forced else []
        if fork is not None and index >= log.reply.forced:
            classes += ["c"] if index < fork else ["x"] if index == fork else []
        classes += ["noted"] if (log.id, index) in self.notes else []
        return span(piece.text, classes)

    def _figures(self, log: ReplyLog, step: Step) -> list[object]:
        removed = masked(step, log.sampling_at(step.index).plausibility)
        return self.tokens.figures(step, lane_heading(step.alpha), removed)

    def _notes(self, log: ReplyLog) -> str:
        steps = sorted(
            (step for about, step in self.notes if about == log.id), key=lambda step: step or -1
        )
        return "".join(self._note(log.id, step) for step in steps)

    def _note(self, about: str, step: int | None = None) -> str:
        note = self.notes.get((about, step))
        text = html_text(describe.note(self.state, note)) if note else ""
        return f'<p class="note">{text}</p>' if note else ""


def _token_tables(pairs: Iterable[token_table.PairTables]) -> str:
    parts = [f'<section class="turn tokens"><h2>{token_table.TITLE}</h2>']
    for pair in pairs:
        parts.append(f'<p class="meta">{html_text(pair.summed)}</p>')
        for table in pair.tables:
            head = "".join(f"<th>{html_text(cell)}</th>" for cell in token_table.HEAD)
            rows = ("".join(f"<td>{html_text(cell)}</td>" for cell in row) for row in table.rows)
            body = "".join(f"<tr>{row}</tr>" for row in rows) or "<tr><td>none</td></tr>"
            parts.append(f"<table><caption>{table.title}</caption><tr>{head}</tr>{body}</table>")
    return "\n".join([*parts, "</section>"])


def _fork(log: ReplyLog, after: ReplyLog | None, beside: Sequence[ReplyLog]) -> int | None:
    """The first step at which a lane diverges from after; for after, the first of any lane."""
    if after is None:
        return None
    if log is after:
        forks = [_first_difference(other, after) for other in beside if other is not after]
        return min((fork for fork in forks if fork is not None), default=None)
    return _first_difference(log, after)


def _first_difference(a: ReplyLog, b: ReplyLog) -> int | None:
    pairs = enumerate(zip(a.sampled, b.sampled, strict=False), a.reply.forced)
    return next((index for index, (one, two) in pairs if one.token != two.token), None)


def _summary(state: Conversation, log: ReplyLog) -> str:
    """How the reply ended, means over its sampled tokens, and whose history it continues."""
    means = ReplyMeans(log.reply.forced)
    means.take(log.steps)
    figures = f"mean KL(after‖before) {nats(means.kl)}, log p after {nats(means.logp_after)} nats"
    figures = figures if means.tokens else ""
    parts = (describe.given(log), describe.ending(log), figures, describe.history(state, log))
    return " · ".join(filter(None, parts))
