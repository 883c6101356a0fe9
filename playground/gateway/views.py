"""GET /metrics, for Prometheus with an API key of the scope admin, and for administrators."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from accounts.authentication import NotAllowed, NotAuthenticated, caller_of
from accounts.models import Scope
from playground.gateway.metrics import exposition


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """401 without a key or a session, 403 where that may not administer the site."""
    try:
        caller_of(request).require(Scope.ADMIN)
    except NotAuthenticated as error:
        headers = {"WWW-Authenticate": 'Bearer realm="headwater"'}
        return HttpResponse(f"{error}\n", status=401, content_type="text/plain", headers=headers)
    except NotAllowed as error:
        return HttpResponse(f"{error}\n", status=403, content_type="text/plain")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
