"""What browsers ask for is worked on by turns: so many requests at a time, however many come at once.

Django takes a thread for a request, with a connection to the database of its own, until the response begins.
All pages that come back at once after a restart would take thousands, and with them all of the memory.
"""

import asyncio
from weakref import WeakKeyDictionary

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

PAGES_AT_ONCE = 48
STREAMS_AT_ONCE = 16
"""Of the streams that pages open: a page that is asked for meanwhile need not wait for all of them."""
Places = dict[bool, asyncio.Semaphore]


class Turns:
    """Lets GET requests through by turns; others have a body, which may be long in coming."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, Places] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
            return
        turn = Turn(self._places_for(scope))
        await turn.begin()

        async def told(event: ASGISendEvent) -> None:
            await send(event)
            if event["type"] == "http.response.start":
                turn.end()

        try:
            await self._application(scope, receive, told)
        finally:
            turn.end()

    def _places_for(self, scope: HTTPScope) -> asyncio.Semaphore:
        """This event loop's, for requests of this sort."""
        loop = asyncio.get_running_loop()
        if loop not in self._places:
            self._places[loop] = {
                True: asyncio.Semaphore(STREAMS_AT_ONCE),
                False: asyncio.Semaphore(PAGES_AT_ONCE),
            }
        return self._places[loop][scope["path"].endswith("/stream/")]


class Turn:
    """One request's place, given back once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places, self._is_mine = places, False

    async def begin(self) -> None:
        await self._places.acquire()
        self._is_mine = True

    def end(self) -> None:
        if self._is_mine:
            self._is_mine = False
            self._places.release()
