"""A small world for tests of who may do what: people, their keys, and a thing of each kind that is Ada's."""

from dataclasses import dataclass
from datetime import date

from django.test import Client

from accounts.models import Scope, User
from accounts.services import create_key
from accounts.usage.models import Usage, UsageKind
from playground.chat.threads import Prompt, create_thread
from playground.models import Message, MessageState, Role, Thread
from tracing.models import KeptTrace, Share, Store
from tracing.sharing import share_trace
from training.models import Checkpoint, Flow, Job, JobState

PASSWORD = "a long password"
TRACE = {"object": "trace", "text": "the answer", "spans": [], "documents": [], "indexes": [], "withheld": []}


@dataclass(frozen=True)
class World:
    """Ada owns what is here, Bob owns nothing, Grace administers the site."""

    ada: User
    bob: User
    grace: User
    checkpoint: Checkpoint
    store: Store
    job: Job
    thread: Thread
    question: Message
    answer: Message
    trace: KeptTrace
    share: Share

    def browser(self, user: User | None) -> Client:
        """A browser in which this person is signed in, or nobody is."""
        client = Client(raise_request_exception=False)
        if user is not None:
            client.force_login(user)
        return client

    def program(self, user: User, *scopes: Scope) -> Client:
        """A program with a key of this person's, with these scopes."""
        secret = create_key(user=user, name="test", scopes=scopes)[1]
        return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})


def build_world() -> World:
    ada = User.objects.create_user("ada", password=PASSWORD)
    bob = User.objects.create_user("bob", password=PASSWORD)
    grace = User.objects.create_user("grace", password=PASSWORD, is_staff=True, is_superuser=True)
    store = Store.objects.create(
        name="lessons", stage="pretrain", digest="d", tokenizer="t", tokens=10, documents=2
    )
    flow = Flow.objects.create(name="small", recipe="test")
    job = Job.objects.create(flow=flow, stage="pretrain", position=1, state=JobState.QUEUED, owner=grace)
    checkpoint = Checkpoint.objects.create(
        name="small-instruct", stage="instruct-sft", step=9, steps=9, final=True, chat="chatml", job=job
    )
    checkpoint.stores.add(store, through_defaults={"seed": 0})
    thread, answer = create_thread(owner=ada, session_key="", prompt=Prompt("What is 4 + 5?", checkpoint))
    Message.objects.filter(pk=answer.pk).update(
        state=MessageState.COMPLETE, raw_text="Nine.", token_ids=[1, 2], trace=TRACE
    )
    answer.refresh_from_db()
    trace = KeptTrace.objects.create(owner=ada, model=checkpoint.name, text="the answer", content=TRACE)
    Usage.objects.create(
        day=date(2026, 11, 23), account=str(ada.pk), user=ada, model="small-instruct", kind=UsageKind.CHAT
    )
    question = thread.messages.get(role=Role.USER)
    return World(
        ada,
        bob,
        grace,
        checkpoint,
        store,
        job,
        thread,
        question,
        answer,
        trace,
        share_trace(trace=trace),
    )
