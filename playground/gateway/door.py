"""The way in for programs: requests to /v1 that bring an API key pass by what only browsers need.

Sessions, forms' tokens and messages cost each request a dozen changes of thread, several milliseconds while
many answers stream. A request without an Authorization header takes the ordinary way, so that /v1 works in a
signed-in browser too.
"""

import asyncio
from contextlib import closing
from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from playground.cancellation import end

HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


class Door:
    """Passes requests on to `application`, those of programs to Django without middleware."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application, self._programs = application, ProgramHandler()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        chosen: Any = self._application
        if scope["type"] == "http" and is_from_program(scope):
            chosen = self._programs
        await chosen(scope, receive, send)


def is_from_program(scope: HTTPScope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.startswith("/v1/") and any(name == b"authorization" for name, _ in scope["headers"])


class ProgramHandler(ASGIHandler):
    """Django's handler without middleware, and without the signals that close connections of other threads:
    `in_database` looks after those."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware = []
        self._template_response_middleware = []
        self._exception_middleware = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            if request is None:
                await self.send_response(refusal, send)
                return
            request.user = AnonymousUser()
            await self._answer_while_there(request, receive, send)

    async def _answer_while_there(self, request: HttpRequest, receive: Any, send: Any) -> None:
        """A client that leaves ends the work on its answer."""
        answering = asyncio.ensure_future(self._answer(request, send))
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(leaving)
            await end(answering)
        if not answering.cancelled():
            answering.result()

    async def _answer(self, request: HttpRequest, send: Any) -> None:
        response: HttpResponseBase = await self.run_get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        try:
            await self.send_response(response, send)
        finally:
            response.close()
