"""Errors as OpenAI's clients expect them: one envelope for all, with a status, a type and a code."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import JsonResponse
from django.http.multipartparser import MultiPartParserError

from accounts.authentication import NotAllowed, NotAuthenticated
from accounts.limits.admission import LimitsUnavailable, OverLimit
from playground.core.errors import (
    EngineUnavailable,
    GenerationError,
    ParameterError,
    PromptError,
    PromptTooLong,
    ToolsUnsupported,
)
from playground.openai.limits import limit_headers
from tracing.core.errors import InputError, TracingError
from training.core.errors import TrainingError

INVALID = "invalid_request_error"
SERVER = "server_error"


class ApiError(Exception):
    """What a client is told: an HTTP status and the fields of the envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.status, self.kind, self.code, self.param = status, kind, code, param

    def envelope(self) -> dict[str, Any]:
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> JsonResponse:
        response = JsonResponse(self.envelope(), status=self.status, headers=self.headers)
        if self.status == 401:
            response["WWW-Authenticate"] = 'Bearer realm="headwater"'
        return response


def model_not_found(name: str) -> ApiError:
    message = f"The model {name!r} does not exist. GET /v1/models lists those that do."
    return ApiError(404, message, code="model_not_found", param="model")


def over_limit(error: OverLimit) -> ApiError:
    headers = {"Retry-After": str(error.retry_after_s)} | limit_headers(error.standings)
    kind = error.limit.resource.value
    return ApiError(429, str(error), kind=kind, code="rate_limit_exceeded", headers=headers)


TOO_LARGE = "The request's body is too large."


def api_error(error: Exception) -> ApiError | None:
    """What a client is told of an error that was raised on purpose; None for a bug."""
    match error:
        case ApiError():
            return error
        case NotAuthenticated():
            return ApiError(401, str(error), kind="authentication_error", code="invalid_api_key")
        case NotAllowed():
            return ApiError(403, str(error), kind="permission_error", code="insufficient_permissions")
        case OverLimit():
            return over_limit(error)
        case LimitsUnavailable():
            retry = {"Retry-After": "2"}
            return ApiError(503, str(error), kind=SERVER, code="limits_unavailable", headers=retry)
        case RequestDataTooBig():
            return ApiError(413, TOO_LARGE, code="request_too_large")
        case SuspiciousOperation() | MultiPartParserError():
            return ApiError(400, f"The request's body cannot be read: {error}", code="invalid_body")
        case ParameterError(name=name):
            return ApiError(400, str(error), param=name)
        case ToolsUnsupported():
            return ApiError(400, str(error), code="tools_not_supported", param="tools")
        case PromptTooLong():
            return ApiError(400, str(error), code="context_length_exceeded", param="messages")
        case PromptError():
            return ApiError(400, str(error), param="messages")
        case InputError():
            return ApiError(400, str(error))
        case EngineUnavailable():
            return ApiError(503, str(error), kind=SERVER, code="engine_unavailable")
        case GenerationError():
            return ApiError(502, str(error), kind=SERVER, code="engine_failed")
        case TrainingError():
            return ApiError(400, str(error))
        case TracingError():
            return ApiError(503, str(error), kind=SERVER, code="trace_unavailable")
    return None
