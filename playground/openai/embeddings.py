"""POST /v1/embeddings: a clear no."""

from typing import NoReturn

from django.http import HttpRequest

from accounts.authentication import Caller
from playground.openai.errors import ApiError


async def refuse_embeddings(request: HttpRequest, caller: Caller) -> NoReturn:
    """A 400, because clients ask again after a 5xx."""
    message = (
        "Embeddings are not supported: the models here write text. To find what a model was trained on, "
        "POST /v1/traces."
    )
    raise ApiError(400, message, code="not_supported")
