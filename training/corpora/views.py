"""Corpora attached to imported checkpoints, and detached, on their pages: by administrators."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.audit import Actor
from accounts.staff import staff_only
from tracing.core.errors import TracingError
from training.core.errors import TrainingError
from training.corpora.forms import CorpusForm
from training.corpora.services import attach_corpora, detach_corpora
from training.models import Checkpoint


@staff_only
@require_POST
def attach(request: HttpRequest, name: str) -> HttpResponse:
    """Has the checkpoint's answers traced to one more corpus."""
    done = "{corpus} is attached: answers of {name} are traced to it from now on."
    return changed(request, name, attach_corpora, done)


@staff_only
@require_POST
def detach(request: HttpRequest, name: str) -> HttpResponse:
    """Takes a corpus away that was attached by mistake."""
    done = "{corpus} is detached: answers of {name} are not traced to it any more."
    return changed(request, name, detach_corpora, done)


def changed(request: HttpRequest, name: str, change: Any, done: str) -> HttpResponse:
    """Back to the checkpoint, with what was done or what is in the way."""
    row, form = get_object_or_404(Checkpoint, name=name), CorpusForm(request.POST)
    if not form.is_valid():
        messages.warning(request, f"Nothing was changed: choose a corpus. {form.errors['corpus'][0]}")
        return redirect("checkpoint", name)
    corpus = form.cleaned_data["corpus"]
    try:
        change(checkpoint=row, corpora=[corpus], by=Actor.of_request(request))
        messages.success(request, done.format(corpus=corpus, name=name))
    except (TrainingError, TracingError) as refusal:
        messages.warning(request, f"Nothing was changed: {str(refusal).rstrip('.')}.")
    return redirect("checkpoint", name)
