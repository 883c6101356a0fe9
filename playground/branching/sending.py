"""What a page says beside a prompt: behind which message it goes, and under which id, so that it is told from
the same prompt sent again, by a double click or by a browser that got no answer."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID, uuid4

from django.http import HttpRequest

from playground.chat.threads import Prompt
from playground.models import Message, Role, ThreadQuerySet


def uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


@dataclass(frozen=True)
class Sending:
    """`after`: the end of the path that the page shows. `question_id`: of the prompt, chosen by the page."""

    after: UUID | None
    question_id: UUID

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        given = uuid_or_none(request.POST.get("question_id"))
        return cls(uuid_or_none(request.POST.get("after")), given or uuid4())

    def answer_before(self, mine: ThreadQuerySet, prompt: Prompt) -> Message | None:
        """The answer to the same prompt, sent before under the same id."""
        answers = Message.objects.filter(thread__in=mine, role=Role.ASSISTANT)
        same = answers.filter(parent=self.question_id, parent__raw_text=prompt.text)
        return same.select_related("thread", "checkpoint", "parent").order_by("created_at").first()
