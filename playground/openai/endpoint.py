"""What every address of /v1 does alike: find out who asks, read the body, and answer errors in one form."""

import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel, ValidationError

from accounts.authentication import Caller, caller_of, recent_caller, secret_of
from accounts.limits.services import release
from playground.database import in_database
from playground.gateway.once import once
from playground.openai.errors import SERVER, ApiError, api_error
from playground.openai.limits import let_in, limit_headers

logger = logging.getLogger(__name__)

UNION_MEMBER = re.compile(r"constrained-\w+|literal\[.*\]")
"""What pydantic adds to a place in the body where one of several types was expected."""
Work = Callable[..., Awaitable[HttpResponseBase]]
Model = TypeVar("Model", bound=BaseModel)


def endpoint(
    work: Work, *, method: str, scopes: tuple[str, ...], kind: str = "api"
) -> Callable[..., Awaitable[HttpResponseBase]]:
    """A view: `work(request, caller, **path)` for a caller who has one of the scopes, within the limits on
    requests of this kind: chat, trace, job or api."""

    @csrf_exempt
    async def view(request: HttpRequest, **path: Any) -> HttpResponseBase:
        request_id = f"req_{secrets.token_hex(12)}"
        try:
            check_method(request, method)
            caller = recent_caller(request) or await find_caller(request)
            check_scopes(caller, scopes)
            response = await within_limits(work, request, caller, kind, path)
        except Exception as error:
            response = error_response(error, request_id)
        response["x-request-id"] = request_id
        return response

    return view


async def find_caller(request: HttpRequest) -> Caller:
    """As `caller_of`; of many requests with one key that come at once, one asks the database."""
    secret = secret_of(request)
    if not secret:
        return await in_database(caller_of, request)
    return await once(("caller", secret), lambda: in_database(caller_of, request))


async def within_limits(
    work: Work, request: HttpRequest, caller: Caller, kind: str, path: dict[str, Any]
) -> HttpResponseBase:
    """The work's answer with headers that say what is left. What was held back for an answer that never began
    is given back; one that began is settled by its meter."""
    admission = await let_in(request, caller, kind)
    try:
        response = await work(request, caller, **path)
    except BaseException:
        if admission.is_reserved and not hasattr(request, "meter"):
            await in_database(release, admission.spender, kind)
        raise
    for name, value in limit_headers(admission.standings).items():
        response[name] = value
    return response


def by_method(**endpoints: Callable[..., Awaitable[HttpResponseBase]]) -> Any:
    """A view that gives each HTTP method to its own endpoint; the first one answers any other with a 405."""

    @csrf_exempt
    async def view(request: HttpRequest, **path: Any) -> HttpResponseBase:
        chosen = endpoints.get(request.method or "", next(iter(endpoints.values())))
        return await chosen(request, **path)

    return view


def check_method(request: HttpRequest, method: str) -> None:
    if request.method != method:
        message = f"Not allowed to {request.method} on {request.path}: {method} it."
        raise ApiError(405, message, code="method_not_allowed")


def check_scopes(caller: Caller, scopes: tuple[str, ...]) -> None:
    if not any(caller.allows(scope) for scope in scopes):
        caller.require(scopes[0])


def error_response(error: Exception, request_id: str) -> HttpResponse:
    known = api_error(error)
    if known is None:
        logger.error("%s failed", request_id, exc_info=error)
        known = ApiError(
            500, f"Something broke in Headwater; its log has the details ({request_id}).", kind=SERVER
        )
    return known.response()


def read_body(request: HttpRequest, model: type[Model]) -> Model:
    """The request's JSON, checked; ApiError says what is wrong with it, and where."""
    try:
        return model.model_validate(read_json(request))
    except ValidationError as error:
        raise invalid(error) from error


def read_json(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request's body is no JSON: {error}.", code="invalid_json") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The request's body must be a JSON object.", code="invalid_json")
    return body


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def invalid(error: ValidationError) -> ApiError:
    """The first thing that is wrong, by its name in the body."""
    first = error.errors(include_url=False, include_context=False)[0]
    parts = [str(part) for part in first["loc"]]
    param = ".".join(part for part in parts if not UNION_MEMBER.fullmatch(part)) or None
    if first["type"] == "extra_forbidden":
        return ApiError(
            400, f"Unrecognized request argument: {param}.", code="unknown_parameter", param=param
        )
    message = first["msg"].removeprefix("Value error, ")
    return ApiError(400, f"{param}: {message}." if param else message, code="invalid_value", param=param)


@csrf_exempt
async def unknown_address(request: HttpRequest, **path: Any) -> HttpResponse:
    message = f"Unknown request URL: {request.method} {request.path}."
    response = ApiError(404, message, code="unknown_url").response()
    response["x-request-id"] = f"req_{secrets.token_hex(12)}"
    return response
