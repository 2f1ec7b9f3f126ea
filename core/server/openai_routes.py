"""OpenAI's routes: models, completions, chat completions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from logit_amp_chat.core.config.profile import Profile
from logit_amp_chat.core.errors import EngineError, LogitAmpError, UsageError, failure
from logit_amp_chat.core.prompts import PromptTokens
from logit_amp_chat.core.protocol import AnyRequest, Event, Failed, Heartbeat, Prefill, Request
from logit_amp_chat.core.server import model_names, openai_bodies, openai_requests
from logit_amp_chat.core.server.choices import Echoed
from logit_amp_chat.core.server.engine_queue import EngineQueue, Job
from logit_amp_chat.core.server.errors import code_of, error_body, status_of
from logit_amp_chat.core.server.openai_answers import Answer
from logit_amp_chat.core.server.openai_bodies import ChatBody, CompletionBody

LOOK_SECONDS = 1.0


class OpenAiRoutes:
    """Answers OpenAI's clients with one engine."""

    def __init__(self, queue: EngineQueue, profile: Profile) -> None:
        self._queue = queue
        self._profile = profile

    async def models(self, _request: HttpRequest) -> Response:
        """GET /v1/models."""
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "logit-amp-chat"}
            for name in model_names.names(self._profile.alpha)
        ]
        return JSONResponse({"object": "list", "data": listed})

    async def chat(self, http: HttpRequest) -> Response:
        """POST /v1/chat/completions."""
        body = openai_bodies.parse(ChatBody, await http.body())
        request = openai_requests.chat_request(body, self._profile, self._queue.limits)
        answer = Answer(body.model, body.top, self._queue.engine.opened.session.next_turn)
        for lane in request.lanes:
            answer.expect(lane.reply)
        return await self._answered(http, body, answer, [request])

    async def completions(self, http: HttpRequest) -> Response:
        """POST /v1/completions."""
        body = openai_bodies.parse(CompletionBody, await http.body())
        if body.echo and body.stream:
            raise UsageError("echo: is not streamed.", "Leave out echo or stream.")
        if body.max_tokens == 0 and not body.echo:
            raise UsageError("max_tokens: expected 1 or more, found 0.", "With echo it may be 0.")
        limits = self._queue.limits
        if len(body.prompts) * (body.n or 1) > limits.lanes:
            raise UsageError(f"prompt: at most {limits.lanes} replies to one request.")
        answer = Answer(body.model, body.logprobs, None)
        requests: list[AnyRequest] = []
        for prompt in body.prompts:
            request = openai_requests.completion_request(body, prompt, self._profile, limits)
            echoed = await self._echo(http, body, request, answer, requests)
            for lane in request.lanes:
                answer.expect(lane.reply, echoed)
            requests += [request] if body.max_tokens != 0 else []
        return await self._answered(http, body, answer, requests)

    async def _echo(
        self,
        http: HttpRequest,
        body: CompletionBody,
        request: Request,
        answer: Answer,
        requests: list[AnyRequest],
    ) -> Echoed | None:
        """The prompt as it is echoed; what measures it is added to `requests`, if it is wanted."""
        if not body.echo:
            return None
        shown = await self._shown(http, request)
        score = openai_requests.echo_request(shown, request)
        given = "".join(token.text for token in shown.after)
        echoed = Echoed(given if request.prompt else request.messages[0].text, shown.after)
        if score is not None and body.logprobs is not None:
            answer.expect_echo(score.lanes[0].reply, echoed)
            requests.append(score)
        return echoed

    async def _shown(self, http: HttpRequest, request: Request) -> PromptTokens:
        """What a request is prompted with."""
        job = self._queue.submit([openai_requests.prompt_request(request)])
        async for event in _events(job, http):
            if isinstance(event, PromptTokens):
                return event
        raise EngineError("The prompt was not rendered.")

    async def _answered(
        self,
        http: HttpRequest,
        body: ChatBody | CompletionBody,
        answer: Answer,
        requests: Sequence[AnyRequest],
    ) -> Response:
        if body.stream_options is not None and not body.stream:
            raise UsageError("stream_options: needs stream.", "Set stream to true.")
        job = self._queue.submit(requests)
        events = _events(job, http)
        if body.stream:
            first = await anext(events, None)  # a request that is refused is no stream
            usage = bool(body.stream_options and body.stream_options.include_usage)
            stream = _stream(first, events, answer, usage=usage)
            headers = {"Cache-Control": "no-store"}
            return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
        async for event in events:
            answer.take(event)
        _check(answer, job)
        return JSONResponse(answer.whole())


async def _events(job: Job, http: HttpRequest) -> AsyncIterator[Event]:
    """The events of a job; it ends with its client. Raises the error that it ended with."""
    number, log = 0, job.log
    try:
        while True:
            for entry in await log.after(number, LOOK_SECONDS):
                number, event = entry.number, entry.event
                if isinstance(event, Failed):
                    raise failure(event.message, event.remedy, event.exit_code)
                if not isinstance(event, Heartbeat | Prefill):
                    yield event
            log.acknowledge(number)
            if log.is_done(number):
                return
            if await http.is_disconnected():
                raise EngineError("The client is gone.")
    finally:
        job.stop()


async def _stream(
    first: Event | None, events: AsyncIterator[Event], answer: Answer, *, usage: bool
) -> AsyncIterator[bytes]:
    """Server-sent events: a chunk for what each event adds, then [DONE]."""
    try:
        for piece in answer.pieces(first) if first is not None else ():
            yield _sent(piece)
        async for event in events:
            for piece in answer.pieces(event):
                yield _sent(piece)
        if answer.broken is not None:
            raise EngineError(f"The reply broke off: {answer.broken}")
        if usage:
            yield _sent(answer.last_piece())
        yield b"data: [DONE]\n\n"
    except LogitAmpError as error:
        yield _sent(error_body(str(error), status_of(error), code_of(error)))


def _check(answer: Answer, job: Job) -> None:
    if answer.broken is not None:
        raise EngineError(f"The reply broke off: {answer.broken}")
    if job.timed_out:
        raise EngineError("The answer took longer than this server allows.")


def _sent(data: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"
