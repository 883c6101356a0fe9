"""What a page of a trace is about: an answer, a kept trace, or a shared one. To a page they are alike."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.urls import reverse

from playground.chat.branches import prompt_before
from playground.core.think_split import split_thinking
from playground.models import Message, MessageState
from playground.traces.lighting import Lighting
from playground.traces.numbers import Numbers
from playground.traces.painting import AnswerHtml, Lit, answer_html, by_kind, by_relevance, plain_html
from tracing.core.errors import InputError
from tracing.core.indexes import unanswered_words
from tracing.models import KeptKind, KeptTrace, Share
from training.lineage import ancestors_of
from training.models import Checkpoint
from training.traces import trace_checkpoint

Json = dict[str, Any]

ADDED = "Added by the fine-tune: in its data and not in its ancestor's; show the documents"
KNOWN = "Its ancestor was trained on these words too; show the documents"


@dataclass(frozen=True)
class Subject:
    """A text and its trace. `route` is the name of its address, below which its other pages lie.

    `can_change` is False for a shared one: it stays as it was.
    """

    pk: UUID
    route: str
    route_id: UUID | str
    text: str
    trace: Json
    model: str
    prompt: str
    is_answer: bool
    created_at: datetime
    thread_id: UUID | None = None
    can_change: bool = True
    lighting: Lighting = field(default_factory=Lighting)
    problem: str = ""
    hides_calls: bool = False
    """Whether its calls of functions are shown apart from its text."""

    @property
    def address(self) -> str:
        return reverse(self.route, args=[self.route_id])

    @property
    def share_address(self) -> str:
        name = "share-answer" if self.route == "answer-trace" else "share-text"
        return reverse(name, args=[self.pk])

    @property
    def ref(self) -> str:
        """As it is named in the address of a comparison."""
        return f"{'answer' if self.route == 'answer-trace' else 'text'}-{self.pk}"

    @property
    def preview(self) -> str:
        """What a list shows of the text: of an answer, what comes after its thinking, if anything does."""
        answer = split_thinking(self.text).answer_text if self.is_answer else ""
        return answer or self.text

    @property
    def spans(self) -> list[Json]:
        return list(self.trace.get("spans", []))

    @property
    def html(self) -> AnswerHtml:
        return self.painted(self.lit())

    def painted(self, lit: list[Lit]) -> AnswerHtml:
        if not self.is_answer:
            return plain_html(self.text, lit, self.spans_address)
        return answer_html(self.text, lit, self.spans_address, hides_calls=self.hides_calls)

    def lit(self) -> list[Lit]:
        if not self.lighting.added:
            return by_relevance(self.spans)
        added = [span for span in self.spans if span.get("added")]
        known = [span for span in self.spans if not span.get("added")]
        return by_kind([("span-added", ADDED, added), ("span-known", KNOWN, known)])

    def spans_address(self, start: int, end: int) -> str:
        address = reverse(f"{self.route}-spans", args=[self.route_id, start, end])
        return address + self.lighting.query

    @cached_property
    def numbers(self) -> Numbers | None:
        """None where there is no trace."""
        return Numbers.of(self.text, self.trace, is_answer=self.is_answer) if "spans" in self.trace else None

    @property
    def longest_address(self) -> str:
        run = self.numbers.longest if self.numbers else None
        return self.spans_address(run.start, run.end) if run else ""

    @property
    def rarest_address(self) -> str:
        run = self.numbers.rarest if self.numbers else None
        return self.spans_address(run.start, run.end) if run else ""

    @property
    def added_runs(self) -> list[Json]:
        """What the fine-tune added, each with the address of its documents, longest first."""
        added = [span for span in self.spans if span.get("added")]
        added.sort(key=lambda span: (span["start"] - span["end"], span["start"]))
        return [span | {"address": self.spans_address(span["start"], span["end"])} for span in added]

    @property
    def unanswered(self) -> str:
        """How many indexes answered and why the others did not; empty where all did."""
        return unanswered_words(self.trace.get("indexes", []))

    def relit(self, lighting: Lighting) -> "Subject":
        """The same text with other runs lit, traced anew where the kept trace is not that already.

        Raises InputError where the model has been deleted or has no such ancestor, TracingError as traces do.
        """
        if not self.can_change or lighting.is_default or not self.trace.get("token_ids"):
            return self
        checkpoint = checkpoint_called(self.model)
        if lighting.added and not lighting.added_since:
            lighting = lighting.since(direct_parent(checkpoint))
        return replace(self, trace=self.traced(checkpoint, lighting), lighting=lighting)

    def traced(self, checkpoint: Checkpoint, lighting: Lighting) -> Json:
        """A new trace of the same token ids; of the text itself where these do not spell it to the letter."""
        options = {"prompt": self.prompt, "added_since": lighting.added_since or None, **lighting.options}
        trace = trace_checkpoint(checkpoint, token_ids=self.trace["token_ids"], **options)
        if not self.is_answer and trace["text"] != self.text:
            trace = trace_checkpoint(checkpoint, text=self.text, **options)
        return trace


def checkpoint_called(name: str) -> Checkpoint:
    checkpoint = Checkpoint.objects.filter(name=name).first()
    if checkpoint is None:
        raise InputError(f"The model {name!r} has been deleted: this text cannot be traced to it again.")
    return checkpoint


def direct_parent(checkpoint: Checkpoint) -> str:
    ancestors = ancestors_of(checkpoint)
    if not ancestors:
        raise InputError(f"{checkpoint} was trained from scratch: it has no ancestor to have added to.")
    return ancestors[-1].name


def answer_subject(message: Message, *, prompt: str = "") -> Subject:
    """An answer. Without a trace, where it was not traced or is still being written."""
    trace = message.trace if message.trace and "spans" in message.trace else {}
    return Subject(
        pk=message.pk,
        route="answer-trace",
        route_id=message.pk,
        text=message.raw_text,
        trace=trace,
        model=message.checkpoint.name if message.checkpoint else trace.get("model", ""),
        prompt=prompt,
        is_answer=True,
        created_at=message.created_at,
        thread_id=message.thread_id,
        can_change=message.state != MessageState.WRITING,
        problem=(message.trace or {}).get("error", ""),
        hides_calls=bool(message.parameters.get("tools")) and message.calls.exists(),
    )


def answered(message: Message) -> Subject:
    """An answer, with the prompt that it answers."""
    return answer_subject(message, prompt=prompt_before(message))


def kept_subject(kept: KeptTrace) -> Subject:
    return Subject(
        pk=kept.pk,
        route="text-trace",
        route_id=kept.pk,
        text=kept.text,
        trace=kept.content,
        model=kept.model,
        prompt=kept.prompt,
        is_answer=kept.kind == KeptKind.ANSWER,
        created_at=kept.created_at,
    )


def shared_subject(share: Share) -> Subject:
    kept = kept_subject(share.trace)
    return replace(kept, route="shared-trace", route_id=share.token, can_change=False)
