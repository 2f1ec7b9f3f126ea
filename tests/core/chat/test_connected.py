"""A chat with a pair on another machine is saved here, whatever the network does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from logit_amp_chat.core.chat.session import ChatSession
from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.engine.local import LocalEngine
from logit_amp_chat.core.engine.remote import RemoteClient
from logit_amp_chat.core.records import Finish, Reply, Session, Step
from logit_amp_chat.core.server.limits import Limits
from logit_amp_chat.core.transcripts.jsonl import read_records
from tests.served import Network, Served, served


@pytest.fixture(scope="module")
def server(tiny_pair: Callable[..., Profile]) -> Iterator[Served]:
    engine = LocalEngine.open(tiny_pair())
    with served(engine, tiny_pair(), Limits(heartbeat=0.2)) as running:
        yield running


def wait_for(chat: ChatSession, state: str) -> None:
    deadline = time.monotonic() + 60
    while chat.state != state:
        assert time.monotonic() < deadline, chat.state
        chat.drain()


def test_every_token_is_in_the_file_once_after_the_network_was_cut_in_mid_reply(
    server: Served, tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    network = Network(server.url)
    connect = partial(server.connection, network.url)
    chat = ChatSession(tiny_pair(), tmp_path, partial(RemoteClient, connect))
    chat.sampling = chat.sampling.model_copy(update={"max_new_tokens": 40})
    chat.live.load()
    wait_for(chat, "ready")
    network.cut_after = 20_000

    chat.submit("Otters?")
    wait_for(chat, "ready")
    chat.close()
    network.close()

    (file,) = tmp_path.glob("*.jsonl")
    records = read_records(file)
    (reply,) = (record for record in records if isinstance(record, Reply))
    steps = [record for record in records if isinstance(record, Step)]
    (finish,) = (record for record in records if isinstance(record, Finish))
    assert network.cuts >= 1
    assert [step.index for step in steps] == list(range(finish.tokens))
    assert {step.reply for step in steps} == {reply.id}
    assert [r.id for r in records if isinstance(r, Session)] == [
        server.queue.engine.opened.session.id
    ]


def test_a_reply_that_the_server_loses_is_saved_as_broken_off(
    server: Served, tiny_pair: Callable[..., Profile], tmp_path: Path
) -> None:
    connect = partial(server.connection)
    chat = ChatSession(tiny_pair(), tmp_path, partial(RemoteClient, connect))
    chat.sampling = chat.sampling.model_copy(update={"max_new_tokens": 10_000})
    chat.live.load()
    wait_for(chat, "ready")
    chat.submit("Otters?")
    while not chat.conversation.last_reply():
        chat.drain()

    chat.live.load()  # what ctrl+l does
    wait_for(chat, "ready")
    chat.close()

    (file,) = tmp_path.glob("*.jsonl")
    finishes = [record for record in read_records(file) if isinstance(record, Finish)]
    assert [finish.reason for finish in finishes] in (["cancelled"], ["stop"])
