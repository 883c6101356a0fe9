"""Limits on requests to /api/, as everywhere else: by key, person and group."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.authentication import Caller
from accounts.limits.services import admit_now
from accounts.limits.spender import Spender, address_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Admission(BaseThrottle):
    """Counts the request, or raises OverLimit. Who is not known is refused before they are counted."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if isinstance(request.auth, Caller):
            admit_now(Spender.of_caller(request.auth, address_of(request._request)), "api")
        return True
