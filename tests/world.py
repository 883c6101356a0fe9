"""A small world for tests of who may do what: people, their keys, and a thing of each kind that is Ada's."""

from dataclasses import dataclass
from datetime import date
from itertools import count

from django.test import Client

from accounts.banners.models import Banner
from accounts.models import ApiKey, Scope, User
from accounts.owners import Owner
from accounts.services import create_key
from accounts.usage.models import Usage, UsageKind
from playground.attachments.models import Attachment, AttachmentKind
from playground.beside.models import Lineup, Seat
from playground.chat.threads import Prompt, create_thread
from playground.history.services import delete_thread
from playground.models import CallRecord, Message, MessageState, Role, Thread
from playground.presets.models import Preset
from playground.ratings.models import Opinion, Rating
from playground.ratings.services import rate
from playground.sharing.lineups import share_lineup
from playground.sharing.models import SharedLineup, SharedThread
from playground.sharing.services import share_thread
from tracing.models import KeptTrace, Share, Store
from tracing.sharing import share_trace
from training.models import Checkpoint, Dataset, DatasetState, Evaluation, Flow, Job, JobState, Transfer

SPAN = {"start": 0, "end": 4, "text": "Nine", "count": 1, "documents": [], "stages": {}, "relevance": "low"}
SPAN |= {"token_start": 0, "token_end": 1, "log_probability": -9.0}
COVERAGE = {"share": 0.8, "longest_span_tokens": 1, "novel_share": 0.2}
TRACE = {"object": "trace", "text": "Nine.", "token_ids": [1, 2], "spans": [SPAN], "coverage": COVERAGE}
TRACE |= {"documents": [], "indexes": [], "withheld": []}


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


NUMBERS = count()


def build_world() -> World:
    """Anew: a second world beside a first has nothing in common with it."""
    number = next(NUMBERS)
    people = [User.objects.create_user(f"{name}-{number}") for name in ("ada", "bob")]
    grace = User.objects.create_user(f"grace-{number}", is_staff=True, is_superuser=True)
    ada, bob = people
    store = Store.objects.create(
        name=f"lessons-{number}", stage="pretrain", digest="d", tokenizer="t", tokens=10, documents=2
    )
    job, checkpoint = trained(number, grace, store)
    thread, answer = talk(ada, checkpoint)
    trace = KeptTrace.objects.create(
        owner=ada, model=checkpoint.name, text="Nine.", content=TRACE | {"model": checkpoint.name}
    )
    Usage.objects.create(
        day=date(2026, 11, 23), account=str(ada.pk), user=ada, model=checkpoint.name, kind=UsageKind.CHAT
    )
    return World(
        ada,
        bob,
        grace,
        checkpoint,
        store,
        job,
        thread,
        thread.messages.get(role=Role.USER),
        answer,
        trace,
        share_trace(trace=trace),
    )


def trained(number: int, owner: User, store: Store) -> tuple[Job, Checkpoint]:
    flow = Flow.objects.create(name=f"small-{number}", recipe="test")
    job = Job.objects.create(flow=flow, stage="pretrain", position=1, state=JobState.QUEUED, owner=owner)
    checkpoint = Checkpoint.objects.create(
        name=f"small-{number}-instruct",
        stage="instruct-sft",
        step=9,
        steps=9,
        final=True,
        chat="chatml",
        job=job,
    )
    checkpoint.stores.add(store, through_defaults={"seed": 0})
    return job, checkpoint


def talk(owner: User, checkpoint: Checkpoint) -> tuple[Thread, Message]:
    """A thread with a question and a finished answer."""
    prompt = Prompt("What is 4 + 5?", checkpoint)
    thread, answer = create_thread(owner=owner, session_key="", prompt=prompt)
    Message.objects.filter(pk=answer.pk).update(
        state=MessageState.COMPLETE, raw_text="Nine.", token_ids=[1, 2], trace=TRACE
    )
    answer.refresh_from_db()
    return thread, answer


@dataclass(frozen=True)
class Things:
    """More of Ada's and, where only administrators make them, Grace's."""

    key: ApiKey
    deleted: Thread
    preset: Preset
    attachment: Attachment
    lineup: Lineup
    lineup_answer: Message
    deleted_lineup: Lineup
    shared_lineup: SharedLineup
    dataset: Dataset
    fine_tune: Job
    evaluation: Evaluation
    banner: Banner
    call: CallRecord
    shared: SharedThread
    flag: Rating
    transfer: Transfer


def beside(owner: User, checkpoint: Checkpoint) -> tuple[Lineup, list[tuple[Thread, Message]]]:
    """Two threads beside each other."""
    lineup, talks = Lineup.objects.create(), [talk(owner, checkpoint) for _ in range(2)]
    for place, (thread, _) in enumerate(talks):
        Seat.objects.create(lineup=lineup, place=place, thread=thread)
    return lineup, talks


def build_things(world: World) -> Things:
    ada, grace, checkpoint = world.ada, world.grace, world.checkpoint
    lineup, talks = beside(ada, checkpoint)
    deleted_lineup, gone = beside(ada, checkpoint)
    delete_thread(thread=gone[0][0])
    deleted, _ = talk(ada, checkpoint)
    delete_thread(thread=deleted)
    flow = Flow.objects.create(name=f"tuned-{grace.pk}")
    file = {"name": "rows.jsonl", "digest": "d", "size_bytes": 1, "state": DatasetState.READY}
    dataset = Dataset.objects.create(owner=grace, **file)
    dataset.path.parent.mkdir(exist_ok=True)
    dataset.path.write_text("{}")
    attached = {"name": "a.txt", "kind": AttachmentKind.TEXT, "text": "a", "characters": 1, "size_bytes": 1}
    scored = {"task": "sums", "digest": "d", "items": 1, "seconds": 1.0}
    return Things(
        create_key(user=ada, name="one", scopes=[Scope.CHAT])[0],
        deleted,
        Preset.objects.create(owner=ada, name="calm"),
        Attachment.objects.create(owner=ada, **attached),
        lineup,
        talks[0][1],
        deleted_lineup,
        share_lineup(owner=Owner(ada), lineup=lineup),
        dataset,
        Job.objects.create(
            flow=flow, stage="think-sft", position=0, parent=checkpoint, owner=grace, state=JobState.QUEUED
        ),
        Evaluation.objects.create(checkpoint=checkpoint, **scored),
        Banner.objects.create(text="Maintenance at noon."),
        CallRecord.objects.create(message=world.answer, number=0, function="add"),
        share_thread(owner=Owner(ada), thread=talks[0][0]),
        rate(message=talks[0][1], opinion=Opinion.FLAG),
        export_of(checkpoint),
    )


def export_of(checkpoint: Checkpoint) -> Transfer:
    """One that is done, with a file to be fetched."""
    transfer = Transfer.objects.create(
        kind="export", name=checkpoint.name, checkpoint=checkpoint, state="succeeded"
    )
    transfer.directory.mkdir(parents=True)
    (transfer.directory / "README.md").write_text("What it is.")
    return transfer
