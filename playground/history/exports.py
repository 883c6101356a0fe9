"""/chat/…/export/: a chat as a file to keep."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from playground.branching.sending import uuid_or_none
from playground.history.files import exported_json, exported_markdown
from playground.history.views import own_thread
from playground.models import Thread


@never_cache
@require_GET
def markdown(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The path that is shown, to be read; with `at` the newest one through that message."""
    thread = own_thread(request, pk)
    text = exported_markdown(thread, at=uuid_or_none(request.GET.get("at")))
    return file_response(thread, text, "md", "text/markdown; charset=utf-8")


@never_cache
@require_GET
def json(request: HttpRequest, pk: UUID) -> HttpResponse:
    """All branches, to be imported again; with `traces` what the answers were traced to as well."""
    thread = own_thread(request, pk)
    text = exported_json(thread, traces="traces" in request.GET)
    return file_response(thread, text, "json", "application/json")


def file_response(thread: Thread, text: str, suffix: str, content_type: str) -> HttpResponse:
    """A download with a name of letters, digits and hyphens: a title can say anything."""
    name = f"{slugify(thread.title)[:60].strip('-') or 'chat'}.{suffix}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(text, content_type=content_type, headers=headers)
