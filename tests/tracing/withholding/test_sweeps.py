"""Block rules and scans go through stores, go on after a kill, and leave history and log behind."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEntry
from tests.flows import celery_worker, share_database, wait_until
from tests.tracing.support.stores import tokenizer_json
from tests.tracing.withholding.conftest import BY, Publish
from tracing.core.errors import InputError
from tracing.models import BlockRule, Store, Sweep, Withholding
from tracing.withholding.acts import restore_documents, take_down
from tracing.withholding.lookup import reasons_for
from tracing.withholding.models import SweepKind, SweepState
from tracing.withholding.passes import run_sweep
from tracing.withholding.rules import block_documents, lift_rule
from tracing.withholding.scans import scan_now
from tracing.withholding.sweeps import advance, claim, recover_sweeps, start_sweep, stop_sweep

CARD = "Card: 4111 1111 1111 1111."
EMAIL = "Write to ada@example.com."


def block(**fields: str) -> BlockRule:
    rule = BlockRule(**fields)
    for sweep in block_documents(rule=rule, by=BY):
        run_sweep(sweep.pk)
    return rule


def test_a_rule_blocks_what_it_fits_and_only_that(publish: Publish, db: None) -> None:
    metadata = [{"url": f"https://{'a' if n % 2 else 'b'}.example/{n}"} for n in range(20)]
    store = publish(metadata=metadata)
    rule = block(kind="domain", value="a.example", note="asked by letter")
    assert reasons_for(store.name, range(20)) == dict.fromkeys(range(1, 20, 2), "blocked")
    sweep = Sweep.objects.get()
    assert (sweep.state, sweep.done, sweep.found) == (SweepState.DONE, 20, 10)
    assert Withholding.objects.filter(rule=rule).count() == 10
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["block", "blocks", "blocks finished"]
    assert AuditEntry.objects.latest("pk").detail["withheld"] == 10


def test_lifting_a_rule_shows_what_it_alone_withheld(store: Store) -> None:
    first, second = block(kind="prefix", value="part.py:1"), block(kind="prefix", value="part.py:19")
    take_down(store=store, documents=[11], note="", by=BY)
    assert lift_rule(rule=first, by=BY) == 11
    assert reasons_for(store.name, range(20)) == {11: "taken down", 19: "blocked"}
    assert lift_rule(rule=first, by=BY) == 0
    assert lift_rule(rule=second, by=BY) == 1
    assert reasons_for(store.name, range(20)) == {11: "taken down"}


def test_what_stores_say_of_all_their_documents_counts(store: Store) -> None:
    block(kind="licence", value="CC0")
    assert len(reasons_for(store.name, range(20))) == 20


def test_new_stores_are_checked_when_they_are_registered(publish: Publish, db: None) -> None:
    block(kind="field", field="id", value="doc-7")
    store = publish()
    assert reasons_for(store.name, range(20)) == {7: "blocked"}


def test_a_rule_that_was_lifted_meanwhile_blocks_nothing(store: Store) -> None:
    rule = BlockRule(kind="corpus", value="texts")
    [sweep] = block_documents(rule=rule, by=BY)
    lift_rule(rule=rule, by=BY)
    assert run_sweep(sweep.pk).state == SweepState.DONE
    assert not Withholding.objects.exists()


def test_a_rule_without_sense_is_neither_kept_nor_logged(store: Store) -> None:
    with pytest.raises(InputError):
        block_documents(rule=BlockRule(kind="field", value="x"), by=BY)
    assert not BlockRule.objects.exists()
    assert not AuditEntry.objects.exists()


def test_one_of_two_attempts_has_a_sweep_until_nothing_is_heard_of_it(store: Store) -> None:
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    held = claim(sweep.pk)
    assert held is not None
    assert claim(sweep.pk) is None
    assert recover_sweeps() == []
    advance(held, done=5)
    Sweep.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    taken = claim(sweep.pk)
    assert taken is not None
    assert taken.done == 5
    with pytest.raises(Exception, match="no longer held"):
        advance(held, done=6)


def test_a_stopped_sweep_goes_on_where_it_was(store: Store) -> None:
    BlockRule.objects.create(kind="corpus", value="texts", by="tests")
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    Sweep.objects.update(done=15)
    assert stop_sweep(sweep=sweep, by=BY)
    assert run_sweep(sweep.pk) is None
    again = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    assert again.pk == sweep.pk
    run_sweep(sweep.pk)
    assert set(reasons_for(store.name, range(20))) == set(range(15, 20))


def test_somebody_who_is_told_to_stop_gives_the_sweep_back(store: Store) -> None:
    BlockRule.objects.create(kind="corpus", value="texts", by="tests")
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)

    def stop(sweep: Sweep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep.pk, stop)
    sweep.refresh_from_db()
    assert (sweep.state, sweep.done, sweep.found) == (SweepState.QUEUED, 20, 20)
    assert run_sweep(sweep.pk).state == SweepState.DONE


def test_an_unforeseen_error_fails_the_sweep_and_is_not_hidden(store: Store) -> None:
    BlockRule.objects.create(kind="corpus", value="texts", by="tests")
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    with pytest.raises(ZeroDivisionError):
        run_sweep(sweep.pk, lambda sweep: 1 // 0)
    sweep.refresh_from_db()
    assert (sweep.state, "ZeroDivisionError" in sweep.error) == (SweepState.FAILED, True)


def test_a_lost_message_is_sent_again_and_not_over_and_over(store: Store) -> None:
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    assert recover_sweeps() == []
    Sweep.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert recover_sweeps() == [sweep]
    assert recover_sweeps() == []


def test_a_store_that_is_gone_fails_its_sweep_with_the_reason(store: Store) -> None:
    sweep = start_sweep(kind=SweepKind.BLOCKS, store=store, by=BY, in_background=False)
    Store.objects.update(digest="sha256:another build")
    failed = run_sweep(sweep.pk)
    assert failed.state == SweepState.FAILED
    assert "start another sweep" in failed.error


@pytest.mark.django_db(transaction=True)
def test_a_scan_withholds_what_holds_personal_data_and_keeps_none_of_it(publish: Publish) -> None:
    texts = ["Nothing here.", f"x {CARD} {CARD}", EMAIL, f"{CARD} IBAN GB82 WEST 1234 5698 7654 32", "7 + 8"]
    store = publish(texts)
    output = StringIO()
    call_command("scan_corpus", store.name, "--processes", "1", stdout=output, stderr=StringIO())
    assert output.getvalue() == "Withheld 2 of 5 documents (CREDIT_CARD 2, IBAN_CODE 1).\n"
    assert reasons_for(store.name, range(5)) == {1: "personal data", 3: "personal data"}
    rows = {row.document: row for row in Withholding.objects.all()}
    assert rows[1].kinds == {"CREDIT_CARD": 2}
    assert rows[3].kinds == {"CREDIT_CARD": 1, "IBAN_CODE": 1}
    kept = str([*Withholding.objects.values(), *AuditEntry.objects.values(), *Sweep.objects.values()])
    assert "4111" not in kept
    assert "WEST" not in kept
    finished = AuditEntry.objects.latest("pk")
    assert (finished.action, finished.detail["withheld"]) == ("personal data finished", 2)
    # Another scan for other kinds; a document that somebody restored stays shown.
    restore_documents(withholdings=[rows[1]], note="a published example", by=BY)
    kinds = ["CREDIT_CARD", "EMAIL_ADDRESS"]
    sweep = scan_now(store=store, by=BY, kinds=kinds, report=lambda sweep: None, processes=2)
    assert (sweep.state, sweep.found) == (SweepState.DONE, 1)
    assert set(reasons_for(store.name, range(5))) == {2, 3}


@pytest.mark.django_db(transaction=True)
def test_an_import_can_scan_what_it_imported(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in [CARD, EMAIL]))
    arguments = ["scanned", tmp_path / "rows.jsonl", "--tokenizer", tmp_path, "--processes", "1"]
    options = ["--stage", "pretrain", "--licence", "CC0", "--scan"]
    output = StringIO()
    call_command("import_corpus", *map(str, arguments), *options, stdout=output, stderr=StringIO())
    assert "Withheld 1 of 2 documents (CREDIT_CARD 1)." in output.getvalue()
    assert reasons_for("scanned", [0, 1]) == {0: "personal data"}
    with pytest.raises(CommandError, match="leave out --output"):
        call_command("import_corpus", *map(str, arguments), *options, "--output", str(tmp_path / "elsewhere"))


@pytest.mark.django_db(transaction=True)
def test_a_killed_scan_leaves_no_process_and_goes_on(publish: Publish) -> None:
    texts = [f"{CARD} {'some words and more of them. ' * 300}" for _ in range(300)]
    store = publish(texts)
    share_database()
    command = [sys.executable, "manage.py", "scan_corpus", store.name, "--processes", "1"]
    process = subprocess.Popen(
        command, cwd=settings.BASE_DIR, env={**os.environ}, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not Sweep.objects.filter(done__gt=0).exists():
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=20)
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    before = Sweep.objects.get()
    assert 0 < before.done < 300
    assert Withholding.objects.count() == before.found == before.done
    Sweep.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    sweep = scan_now(store=store, by=BY, report=lambda sweep: None, processes=2)
    assert (sweep.pk, sweep.done, sweep.found) == (before.pk, 300, 300)
    assert Withholding.objects.count() == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "No store is called 'nowhere'. Known: texts"),
        (["texts", "--kinds", "PERSON"], "choose from CREDIT_CARD"),
        (["texts", "--processes", "0"], "give 1 to 1024"),
    ],
)
def test_what_cannot_be_scanned_is_refused(store: Store, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("scan_corpus", *arguments)
    assert not Sweep.objects.exists()


def test_an_actor_of_a_command_is_named() -> None:
    assert Actor.of_command("scan_corpus").name.endswith("(manage.py scan_corpus)")


@pytest.mark.django_db(transaction=True)
def test_workers_go_through_the_stores_for_a_new_rule(publish: Publish, redis_server: object) -> None:
    store = publish()
    with celery_worker(queues="default"):
        block_documents(rule=BlockRule(kind="prefix", value="part.py:1"), by=BY)
        wait_until(lambda: len(reasons_for(store.name, range(20))) == 11, "the rule's sweep", wait_s=120)
        wait_until(lambda: Sweep.objects.get().state == SweepState.DONE, "the sweep's end", wait_s=60)
