"""/attachments/: files that are to go with a message."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.owners import Owner
from playground.attachments.services import MAX_FILES, add_attachment
from playground.core.attachments.errors import AttachmentError
from playground.models import Attachment


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Take one or more files; each comes back as a chip for the composer, or with why it was not taken."""
    files = request.FILES.getlist("file")
    chips, problems = list[Attachment](), list[str]()
    for file in files[:MAX_FILES]:
        try:
            chips.append(add_attachment(owner=Owner.of(request), upload=file))
        except AttachmentError as error:
            problems.append(str(error))
    if len(files) > MAX_FILES:
        problems.append(f"At most {MAX_FILES} files go with a message; the first {MAX_FILES} were taken.")
    if not files:
        problems.append("No file came. Choose one and try again.")
    context: dict[str, Any] = {"attachments": chips, "problems": problems}
    return render(request, "playground/attachments/_chips.html", context, status=200 if chips else 422)


@never_cache
@require_GET
def attachment(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The text of a file, as the model was given it."""
    found = get_object_or_404(Attachment.objects.of_browser(request), pk=pk)
    return render(request, "playground/attachments/text.html", {"section": "chat", "attachment": found})


@require_POST
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a file back that has not been sent; one that has goes with its messages."""
    mine = Attachment.objects.of_browser(request)
    found = get_object_or_404(mine, pk=pk)
    if not found.messages.exists():
        found.delete()
    return HttpResponse()
