"""A session ends so many days after the browser's last visit, not after its first."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

SEEN = "seen"
Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def keep_sessions(get_response: Answer) -> Answer:
    """Renew a session once a day. One that the request did not read is left alone: it costs nothing."""
    if iscoroutinefunction(get_response):

        async def renew_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)  # type: ignore[misc]
            renew(request.session)
            return response

        return renew_async

    def renew_sync(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        renew(request.session)
        return response  # type: ignore[return-value]

    return renew_sync


def renew(session: SessionBase) -> None:
    """Note today in a session that was read and holds something; noting it makes the session be saved."""
    if not session.accessed or session.session_key is None:
        return
    today = timezone.now().date().isoformat()
    if session.get(SEEN) != today:
        session[SEEN] = today
