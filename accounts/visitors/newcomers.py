"""Browsers that are shown a box to write in: one that sends twice before it is answered is known as one.

Who only looks gets no session, but a signed cookie; the session of whoever then sends follows from it.
"""

from importlib import import_module
from secrets import token_urlsafe

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "newcomer"
KEEP_S = 24 * 3600
KEY_CHARACTERS = 32


def greet(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response, with the cookie for a browser that is nobody yet."""
    if not request.user.is_authenticated and not request.session.session_key and not newcomer(request):
        response.set_signed_cookie(
            COOKIE,
            token_urlsafe(24),
            max_age=KEEP_S,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


def begin_session(request: HttpRequest) -> None:
    """Give a browser that has none a session: of a newcomer, the one that all of its requests get."""
    if not (known := newcomer(request)):
        request.session.create()
        return
    digest = salted_hmac(__name__, known, algorithm="sha256").hexdigest()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(digest[:KEY_CHARACTERS])
    try:
        request.session.save(must_create=True)
    except CreateError:  # another request of the same page was first
        request.session.load()
    request.session.modified = True  # so that the browser is told of it


def newcomer(request: HttpRequest) -> str:
    """What the browser's cookie says; empty where it has none that we signed."""
    return str(request.get_signed_cookie(COOKIE, default="", max_age=KEEP_S))
