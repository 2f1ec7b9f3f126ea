"""The arguments of a diff in Python: checked, with the defaults of the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from logit_amp_chat import UsageError
from logit_amp_chat.core.api.diff_request import diff_settings, file_sources, text_source
from logit_amp_chat.core.api.replies import PairReply
from logit_amp_chat.core.experiments.diff import DiffSettings
from logit_amp_chat.core.reading import Chat, PlainText, Recorded
from logit_amp_chat.core.transcripts.reply_log import ReplyLog
from tests.core.samples import reply, step

TURNS = [{"role": "user", "content": "Otters?"}, {"role": "assistant", "content": "They swim."}]


def test_without_arguments_they_are_the_commands() -> None:
    assert diff_settings("mix", {}) == DiffSettings(threshold=0.0)
    assert diff_settings("after", {"threshold": None, "alpha": None, "top": None}) == DiffSettings(
        threshold=0.0, ends="after"
    )


def test_every_argument_has_its_place() -> None:
    settings = diff_settings(
        "mix",
        {"threshold": 2, "context": 0, "alpha": [1, 2.5], "window": 64, "stride": 16, "top": 3,
         "everywhere": True},
    )  # fmt: skip
    assert settings == DiffSettings(
        threshold=2.0, context=0, alphas=(1.0, 2.5), window=64, stride=16, top=3, everywhere=True
    )


def test_numbers_may_be_numpys() -> None:
    alphas: Any = numpy.array([1.0, 2.0])
    window: Any = numpy.int64(64)
    settings = diff_settings("mix", {"alpha": alphas, "window": window})
    assert (settings.alphas, settings.window) == ((1.0, 2.0), 64)
    assert type(settings.window) is int


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": -1}, "threshold: expected a number of nats, 0 or more, found -1"),
        ({"threshold": float("nan")}, "threshold: expected a number of nats"),
        ({"threshold": "2"}, "threshold: expected a number, found '2'"),
        ({"threshold": [1, 2]}, "threshold: expected a number of nats"),
        ({"context": -1}, "context: expected a whole number, 0 or more, found -1"),
        ({"window": 0}, "window: expected a whole number, 1 or more, found 0"),
        ({"stride": 1.5}, "stride: expected a whole number, 1 or more, found 1.5"),
        ({"top": True}, "top: expected a number, found True"),
        ({"alpha": float("inf")}, "alpha: expected a finite number"),
        ({"alpha": []}, "alpha: expected at least one number"),
        ({"thresold": 1}, "There is no option thresold. There are score, threshold"),
    ],
)
def test_a_wrong_argument_is_named(options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        diff_settings("mix", options)


def test_a_string_is_a_text_as_it_is_and_a_list_a_chat() -> None:
    text = text_source(" README.md\n", {}, None)
    assert text.content == PlainText(text=" README.md\n")
    chat = text_source(TURNS, {"score": "user"}, None)
    assert isinstance(chat.content, Chat)
    assert chat.content.score == "user"
    said = [(message.role, message.text) for message in chat.content.messages]
    assert said == [("user", "Otters?"), ("assistant", "They swim.")]
    assert (chat.name, chat.place, chat.line) == ("", "", 1)


def test_a_path_is_the_only_text_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"messages": TURNS}))
    source = text_source(path, {}, None)
    assert source.name == str(path)
    assert isinstance(source.content, Chat)
    assert source.content.score == "assistant"


def test_of_several_texts_none_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text((json.dumps({"text": "one"}) + "\n") * 3)
    with pytest.raises(UsageError, match=r"a\.jsonl has 3 texts\. .* one by one with diff_files"):
        text_source(path, {}, None)
    assert len(list(file_sources([path], {}, None))) == 3


def test_what_files_have_besides_texts_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.bin").write_bytes(b"\x00\xff\xfe")
    with pytest.warns(UserWarning, match=r"b\.bin"):
        sources = file_sources([tmp_path], {}, None)
    assert [source.content for source in sources.readable()] == [PlainText(text="one")]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "nothing to score"),
        (TURNS[:1], {}, "nothing of the role assistant to score"),
        (TURNS, {"score": "system"}, "nothing of the role system to score"),
        (
            TURNS,
            {"score": "bot"},
            "score: expected one of assistant, user, system, all, found 'bot'",
        ),
        ([], {}, "no message"),
        ([{"role": "bot", "content": "x"}], {}, "not a message"),
        (b"bytes", {}, "Give a text or a list of messages"),
        (7, {}, "Give a text or a list of messages"),
    ],
)
def test_what_cannot_be_read_is_refused(text: Any, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        text_source(text, options, None)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        text_source(tmp_path / "none.txt", {}, None)


def test_a_reply_is_read_as_it_was_sampled() -> None:
    log = ReplyLog(reply(alpha=2.0))
    for record in (step(0, "By"), step(1, " the")):
        log.add(record)
    source = text_source(PairReply(log), {}, None)
    tokens = tuple(one.token for one in log.steps)
    assert source.content == Recorded(prompt=log.reply.prompt, tokens=tokens)
    assert source.place == "α +2"


def test_the_name_of_a_file_is_not_taken_for_a_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Otters")
    with pytest.raises(UsageError, match="is the name of a file"):
        text_source(str(path), {}, None)
    assert text_source(path, {}, None).content == PlainText(text="Otters")
