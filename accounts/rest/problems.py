"""Errors of /api/: one envelope, as /v1 has it, and a status that says whose fault it is."""

import logging
from typing import Any

from rest_framework.exceptions import APIException, Throttled, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.limits.admission import LimitsUnavailable, OverLimit

logger = logging.getLogger(__name__)


class Conflict(APIException):
    """What is asked for cannot be done with the thing as it is now."""

    status_code = 409
    default_code = "conflict"


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an error that is foreseen; None leaves it to Django, which logs it and says 500."""
    response = exception_handler(known(error), context)
    if response is not None:
        response.data = {"error": envelope(known(error), response.data)}
    return response


def known(error: Exception) -> Exception:
    if isinstance(error, OverLimit):
        throttled = Throttled(wait=error.retry_after_s)
        throttled.detail = str(error)
        return throttled
    if isinstance(error, LimitsUnavailable):
        unavailable = APIException(str(error), code="limits_unavailable")
        unavailable.status_code = 503
        return unavailable
    return error


def envelope(error: Exception, data: Any) -> dict[str, Any]:
    """`message` says what is wrong; `fields` which ones are, where it is the request's."""
    if isinstance(error, ValidationError):
        fields = data if isinstance(data, dict) else {"body": data}
        words = "; ".join(f"{name}: {' '.join(map(str, told))}" for name, told in fields.items())
        return {"message": words, "type": "invalid_request_error", "code": "invalid", "fields": fields}
    code = getattr(getattr(error, "detail", None), "code", None) or "not_found"
    message = str(data["detail"]) if isinstance(data, dict) and "detail" in data else str(data)
    return {"message": message, "type": "api_error", "code": str(code)}
