"""Nobody goes on before they have accepted the terms in force."""

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
def terms_first(get_response: Answer) -> Answer:
    """Sends browsers to the terms that they have not accepted. Programs are asked in accounts.authentication,
    and addresses in settings.WITHOUT_TERMS ask nobody."""
    if iscoroutinefunction(get_response):
        check = sync_to_async(detour)

        async def ask_async(request: HttpRequest) -> HttpResponseBase:
            sent = None if is_free(request) else await check(request)
            return sent or await get_response(request)  # type: ignore[misc]

        return ask_async

    def ask_sync(request: HttpRequest) -> HttpResponseBase:
        sent = None if is_free(request) else detour(request)
        return sent or get_response(request)  # type: ignore[return-value]

    return ask_sync


def is_free(request: HttpRequest) -> bool:
    return request.path.startswith(settings.WITHOUT_TERMS)


def detour(request: HttpRequest) -> HttpResponse | None:
    """To the terms and back; None where there is nothing to accept."""
    if terms_due(request) is None:
        return None
    back = request.get_full_path() if request.method == "GET" and not is_fragment(request) else ""
    address = f"{reverse('terms')}?{urlencode({'next': back})}" if back else reverse("terms")
    return HttpResponse(headers={"HX-Redirect": address}) if is_fragment(request) else redirect(address)


def is_fragment(request: HttpRequest) -> bool:
    """Whether a part of a page asks, which a redirection would replace by the whole other page."""
    return request.headers.get("HX-Request") == "true"
