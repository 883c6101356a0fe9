"""What Celery workers do for tracing: sweeps over stores."""

from celery import shared_task

from tracing.withholding import passes, sweeps


@shared_task(name="tracing.tasks.run_sweep")
def run_sweep(sweep_id: int) -> None:
    passes.run_sweep(sweep_id)


@shared_task(name="tracing.tasks.recover_sweeps")
def recover_sweeps() -> None:
    sweeps.recover_sweeps()
