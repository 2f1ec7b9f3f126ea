"""Our own routes: a pair, its requests, and what comes of them as records, for `--connect`.

A client makes a handle that nobody can guess and asks for something under it; asking again is
the same request. Events have numbers: a client that lost its connection goes on after the last
one it has. A handle belongs to the client, by its key, that made it.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from logit_amp_chat.core.engine import wire
from logit_amp_chat.core.errors import UsageError
from logit_amp_chat.core.protocol import AnyRequest, Heartbeat, Request, ScoreRequest
from logit_amp_chat.core.reading import ReadRequest
from logit_amp_chat.core.samples import SampleRequest
from logit_amp_chat.core.server.engine_queue import BusyError, EngineQueue, Job
from logit_amp_chat.core.server.errors import NotFoundError
from logit_amp_chat.core.server.openai_requests import check_size

KEPT_REQUESTS = 64
MOST_CANDIDATES = 200
_SECRET = re.compile(r"[0-9a-f]{32}")
_SILENT = b"[0," + wire.to_line(Heartbeat()) + b"]\n"


class RecordRoutes:
    """Answers chats on other machines with one engine."""

    def __init__(self, queue: EngineQueue) -> None:
        self._queue = queue
        self._jobs: dict[tuple[str, str], Job] = {}

    async def pair(self, _http: HttpRequest) -> Response:
        """GET /v1/pair: the version of the lines, and what was opened."""
        opened = wire.to_line(self._queue.engine.opened)
        return _json(b'{"version":%d,"opened":%s}' % (wire.VERSION, opened))

    async def ping(self, _http: HttpRequest) -> Response:
        """GET /v1/ping: how far away the server is."""
        return Response(status_code=204)

    async def ask(self, http: HttpRequest) -> Response:
        """PUT /v1/requests/HANDLE: a line with a request. Asking again changes nothing.

        It names the session that it is meant for: a server that was started anew has another
        one, and perhaps another pair.
        """
        key = _key(http)
        request = wire.request_of(await http.body())
        if key not in self._jobs:
            if http.query_params.get("session") != self._queue.engine.opened.session.id:
                raise NotFoundError("This is another session.", "Connect again.")
            self._check(request)
            self._forget_old()
            fresh = http.query_params.get("fresh") == "1"
            self._jobs[key] = self._queue.submit([request], client=key[0], fresh=fresh)
        return Response(status_code=204)

    async def events(self, http: HttpRequest) -> Response:
        """GET /v1/requests/HANDLE/events?after=N: lines of events after the Nth, as they come.

        The answer ends after some of them; asking for what follows says which have arrived.
        """
        job = self._job(http)
        after = http.query_params.get("after", "0")
        number = int(after) if after.isdecimal() and len(after) < 16 else -1
        if not job.log.holds(number):
            raise UsageError(f"after: there is no event {after:.20}.")
        job.log.acknowledge(number)
        return StreamingResponse(self._lines(job, number), media_type="application/x-ndjson")

    async def _lines(self, job: Job, number: int) -> AsyncIterator[bytes]:
        limits, log = self._queue.limits, job.log
        sent = 0
        while sent < limits.segment and not log.is_done(number):
            found = await log.after(number, limits.heartbeat)
            for entry in found:
                number = entry.number
                line = b"[%d,%s]\n" % (number, entry.line)
                sent += len(line)
                yield line
                if sent >= limits.segment:
                    break
            if not found:
                yield _SILENT

    async def command(self, http: HttpRequest) -> Response:
        """POST /v1/requests/HANDLE/commands: a line with a command to the request in progress."""
        self._job(http).apply(wire.adjustment_of(await http.body()))
        return Response(status_code=204)

    async def end(self, http: HttpRequest) -> Response:
        """DELETE /v1/requests/HANDLE: end a request, and forget what came of it."""
        if (job := self._jobs.pop(_key(http), None)) is not None:
            job.stop()
        return Response(status_code=204)

    def _job(self, http: HttpRequest) -> Job:
        job = self._jobs.get(_key(http))
        if job is None:
            raise NotFoundError("There is no such request.", "The server may have been restarted.")
        return job

    def _check(self, request: AnyRequest) -> None:
        """Raises UsageError for more than one client may ask for."""
        limits = self._queue.limits
        if getattr(request, "top", 0) > MOST_CANDIDATES:
            raise UsageError(f"top: at most {MOST_CANDIDATES} candidates of each kind.")
        if isinstance(request, ReadRequest) and not all(map(math.isfinite, request.alphas)):
            raise UsageError("alphas: expected finite numbers.")
        if isinstance(request, Request):
            check_size(request, limits)
        if isinstance(request, ScoreRequest) and len(request.lanes) > limits.lanes:
            raise UsageError(f"At most {limits.lanes} lanes are measured at once.")
        if isinstance(request, SampleRequest):
            wanted = len(request.draws) * request.sampling.max_new_tokens
            if request.sampling.max_new_tokens > limits.tokens or wanted > limits.sampled:
                raise UsageError(
                    f"Replies of {wanted} tokens together are more than one request may ask for"
                    f" ({limits.sampled}).",
                    "Ask for fewer, or shorter ones.",
                )

    def _forget_old(self) -> None:
        """Forget requests that nobody has read from for long. Raises BusyError where all are new.

        One that is still computed ends by itself.
        """
        old = [k for k, j in self._jobs.items() if j.log.unread_for() > self._queue.limits.linger]
        for key in old:
            self._jobs.pop(key).stop()
        if len(self._jobs) >= KEPT_REQUESTS:
            raise BusyError("The server keeps too many answers.", "Try again in some minutes.")


def _key(http: HttpRequest) -> tuple[str, str]:
    """The client's key and its handle. Raises UsageError where one could be guessed."""
    client, handle = http.headers.get("x-client", ""), str(http.path_params["handle"])
    if not (_SECRET.fullmatch(client) and _SECRET.fullmatch(handle)):
        raise UsageError("A client and a handle are 32 hexadecimal digits each.")
    return client, handle


def _json(data: bytes) -> Response:
    return Response(data, media_type="application/json")
