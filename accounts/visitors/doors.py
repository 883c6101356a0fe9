"""What is asked of a browser before it goes on: to sign in where visitors are not let in, and the terms."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from django.utils.http import urlencode

from accounts.terms.services import terms_due

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def ask_first(get_response: Answer) -> Answer:
    """Sends a browser elsewhere where something is asked of it first. Addresses in settings.OPEN_ADDRESSES
    ask nothing here: what programs call asks for a key itself, in accounts.authentication."""
    if iscoroutinefunction(get_response):
        check = sync_to_async(detour)

        async def ask_async(request: HttpRequest) -> HttpResponseBase:
            sent = None if is_open(request) else await check(request)
            return sent or await get_response(request)  # type: ignore[misc]

        return ask_async

    def ask_sync(request: HttpRequest) -> HttpResponseBase:
        sent = None if is_open(request) else detour(request)
        return sent or get_response(request)  # type: ignore[return-value]

    return ask_sync


def is_open(request: HttpRequest) -> bool:
    return request.path.startswith(settings.OPEN_ADDRESSES)


def detour(request: HttpRequest) -> HttpResponse | None:
    """To where something is asked, and back; None where nothing is."""
    if not settings.ANONYMOUS_CHAT and not request.user.is_authenticated:
        return sent_to("sign-in", request)
    return sent_to("terms", request) if terms_due(request) else None


def sent_to(name: str, request: HttpRequest) -> HttpResponse:
    """A part of a page would be replaced by the whole other page, so there the page itself goes."""
    is_part = request.headers.get("HX-Request") == "true"
    back = request.get_full_path() if request.method == "GET" and not is_part else ""
    address = reverse(name) + (f"?{urlencode({'next': back})}" if back else "")
    return HttpResponse(headers={"HX-Redirect": address}) if is_part else redirect(address)
