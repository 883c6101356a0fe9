"""What Celery workers do for tracing: sweeps over stores, byte indexes."""

from celery import shared_task

from tracing import byte_indexes
from tracing.withholding import passes, sweeps


@shared_task(name="tracing.tasks.run_sweep")
def run_sweep(sweep_id: int) -> None:
    passes.run_sweep(sweep_id)


@shared_task(name="tracing.tasks.recover_sweeps")
def recover_sweeps() -> None:
    sweeps.recover_sweeps()


@shared_task(name="tracing.tasks.build_byte_indexes")
def build_byte_indexes() -> None:
    byte_indexes.build_byte_indexes()
