"""`reasons_for` says what is withheld, at once, whoever withheld it and in whichever process."""

import os
import subprocess
import sys

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import AuditEntry
from tests.flows import share_database
from tests.tracing.withholding.conftest import BY, Publish
from tracing.core.errors import InputError
from tracing.models import Store, Withholding
from tracing.withholding import lookup
from tracing.withholding.acts import restore_documents, take_down, withhold_documents
from tracing.withholding.lookup import WithheldNow, reasons_for
from tracing.withholding.models import Reason


def test_nothing_is_withheld_of_a_store_that_nobody_acted_on(store: Store) -> None:
    assert reasons_for(store.name, range(20)) == {}
    assert reasons_for("no such store", [0, 5]) == {}


def test_a_document_is_withheld_and_shown_again_from_the_next_question_on(store: Store) -> None:
    take_down(store=store, documents=[3, 7], note="asked for", by=BY)
    assert reasons_for(store.name, range(20)) == {3: "taken down", 7: "taken down"}
    restore_documents(withholdings=Withholding.objects.filter(document=3), note="a mistake", by=BY)
    assert reasons_for(store.name, range(20)) == {7: "taken down"}
    assert WithheldNow()(store.name, [3, 7]) == {7: "taken down"}


def test_the_gravest_reason_is_told_and_each_is_lifted_alone(store: Store) -> None:
    for reason in (Reason.PERSONAL_DATA, Reason.TAKEN_DOWN, Reason.BLOCKED):
        withhold_documents(store=store, documents=[4], reason=reason, note="", by=BY)
    told = []
    for reason in (Reason.TAKEN_DOWN, Reason.BLOCKED, Reason.PERSONAL_DATA):
        told.append(reasons_for(store.name, [4])[4])
        restore_documents(withholdings=Withholding.objects.filter(reason=reason), note="", by=BY)
    assert told == ["taken down", "blocked", "personal data"]
    assert reasons_for(store.name, [4]) == {}


def test_history_is_kept_with_who_and_when(store: Store) -> None:
    take_down(store=store, documents=[1], note="first", by=BY)
    restore_documents(withholdings=Withholding.objects.all(), note="back", by=BY)
    take_down(store=store, documents=[1], note="second", by=BY)
    second, first = Withholding.objects.all()
    assert (first.note, first.lifted_by, first.lifted_note) == ("first", "tests", "back")
    assert first.created_at <= first.lifted_at
    assert (second.note, second.lifted_at, second.document_id) == ("second", None, "doc-1")


def test_doing_it_twice_changes_and_logs_nothing(store: Store) -> None:
    assert len(take_down(store=store, documents=[1, 1, 2], note="", by=BY)) == 2
    assert take_down(store=store, documents=[2], note="again", by=BY) == []
    rows = list(Withholding.objects.filter(document=2))
    assert len(restore_documents(withholdings=rows, note="", by=BY)) == 1
    assert restore_documents(withholdings=rows, note="", by=BY) == []
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["take down"] * 2 + ["restore"]


@pytest.mark.parametrize("documents", [[20], [-1], [True], [2**70], ["3"], [1.0]])
def test_documents_that_are_not_there_are_refused_and_nothing_is_done(store: Store, documents: list) -> None:
    with pytest.raises(InputError, match="has no document"):
        take_down(store=store, documents=[0, *documents], note="", by=BY)
    assert not Withholding.objects.exists()
    assert not AuditEntry.objects.exists()


def test_what_was_rolled_back_was_never_withheld(store: Store) -> None:
    take_down(store=store, documents=[1], note="", by=BY)
    with transaction.atomic():
        take_down(store=store, documents=[2], note="", by=BY)
        assert set(reasons_for(store.name, range(20))) == {1, 2}
        transaction.set_rollback(True)
    assert set(reasons_for(store.name, range(20))) == {1}
    take_down(store=store, documents=[5], note="", by=BY)
    assert set(reasons_for(store.name, range(20))) == {1, 5}


@pytest.mark.django_db(transaction=True)
def test_what_another_process_takes_down_is_seen_by_the_next_question(publish: Publish) -> None:
    store = publish()
    take_down(store=store, documents=[1], note="", by=BY)
    assert set(reasons_for(store.name, range(20))) == {1}
    share_database()
    command = [sys.executable, "manage.py", "withhold", store.name, "2", "--note", "by command"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(reasons_for(store.name, range(20))) == {1, 2}
    assert AuditEntry.objects.get(object_id="texts/2").actor_name.endswith("(manage.py withhold)")
    subprocess.run([*command[:5], "--lift"], cwd=settings.BASE_DIR, check=True, capture_output=True)
    assert set(reasons_for(store.name, range(20))) == {1}


@pytest.mark.django_db(transaction=True)
def test_a_warm_question_costs_one_query(publish: Publish, django_assert_num_queries) -> None:
    store = publish()
    take_down(store=store, documents=[1], note="", by=BY)
    reasons_for(store.name, [1])
    assert not connection.in_atomic_block
    with django_assert_num_queries(1):
        reasons_for(store.name, range(20))
    now = WithheldNow()
    with django_assert_num_queries(1):
        for _ in range(5):
            now(store.name, range(20))


@pytest.mark.django_db(transaction=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.sampled_from(list(Reason))), max_size=12))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_kept_answers_follow_every_act_like_a_plain_list_does(
    publish: Publish, acts: list[tuple[bool, int, Reason]]
) -> None:
    Withholding.objects.all().delete()
    store = Store.objects.filter(name="texts").first() or publish()
    held: set[tuple[int, Reason]] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "_kept", {})
        for adds, document, reason in acts:
            if adds:
                withhold_documents(store=store, documents=[document], reason=reason, note="", by=BY)
                held.add((document, reason))
            else:
                rows = Withholding.objects.filter(document=document, reason=reason)
                restore_documents(withholdings=rows, note="", by=BY)
                held.discard((document, reason))
            expected = {
                n: next(str(r) for r in Reason if (n, r) in held) for n in {number for number, _ in held}
            }
            assert reasons_for(store.name, range(20)) == expected


def test_a_store_that_is_built_again_keeps_what_was_withheld_by_its_ids(
    store: Store, publish: Publish
) -> None:
    before = store.digest
    take_down(store=store, documents=[2], note="asked for", by=BY)
    ids = [{"id": f"doc-{number}"} for number in reversed(range(20))]
    again = publish(metadata=ids)
    assert again.digest != before
    assert reasons_for(again.name, range(20)) == {17: "taken down"}
    assert reasons_for(again.name, range(20), digest=before) == {2: "taken down"}


def test_many_documents_are_looked_up_together() -> None:
    numbers = np.arange(0, 100_000, 3)
    held = lookup.StoreWithholdings(1, numbers, np.full(numbers.size, 1, dtype=np.uint8))
    assert held.reasons_for([0, 1, 2, 3, 99_999, 100_000, 5_000_000]) == dict.fromkeys(
        [0, 3, 99_999], "blocked"
    )
    assert held.reasons_for([]) == {}
