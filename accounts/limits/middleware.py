"""Pages that ran into a limit: whatever view raised it, the answer is a 429 that says when to come again."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from accounts.limits.admission import LimitsUnavailable, OverLimit

RETRY_UNAVAILABLE_S = 2


class LimitMiddleware:
    """Turns OverLimit and LimitsUnavailable into answers. /v1 answers them in OpenAI's form by itself."""

    sync_capable = async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OverLimit):
            return told(request, str(error), status=429, retry_after_s=error.retry_after_s)
        if isinstance(error, LimitsUnavailable):
            return told(request, str(error), status=503, retry_after_s=RETRY_UNAVAILABLE_S)
        return None


def told(request: HttpRequest, message: str, *, status: int, retry_after_s: int) -> HttpResponse:
    """A page; for htmx the words alone, which the page's script shows; for programs JSON."""
    if request.path.startswith("/api/"):
        response: HttpResponse = JsonResponse({"detail": message}, status=status)
    elif request.headers.get("HX-Request"):
        response = HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    else:
        response = render(request, "accounts/limits/over.html", {"message": message}, status=status)
    response["Retry-After"] = str(retry_after_s)
    response["Cache-Control"] = "no-store"
    return response
