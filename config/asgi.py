"""The web application, as uvicorn runs it."""

import gc
import os
import threading

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()

from django.conf import settings  # noqa: E402  (the settings come first)

from accounts.body_limit import BodyLimit  # noqa: E402
from playground.gateway.door import Door  # noqa: E402
from playground.web.turns import Turns  # noqa: E402
from tracing.core.matching.warm_up import warm_up  # noqa: E402  (the page comes first)

application = BodyLimit(
    Door(Turns(application)),
    declared_bytes=settings.REQUEST_BYTES_MAX,
    chunked_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
)


def get_ready() -> None:
    """The first answer must not wait for the tracer to compile, nor any answer for the garbage collector to
    go through all that was loaded, which takes it a tenth of a second."""
    warm_up()
    gc.collect()
    gc.freeze()


threading.Thread(target=get_ready, name="warm-up", daemon=True).start()
