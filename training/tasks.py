"""What Celery workers do: run training jobs and evaluations (queue gpu), check data sets, take models in and
give them out, look after what a dead worker left, pack small stores, read large weights to verify them."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from training import evaluations, jobs, packing, runner, verification
from training.datasets import leftovers, validation
from training.datasets import work as recovery
from training.fine_tuning import preparing
from training.transfers import work as transferring


@shared_task(name="training.tasks.run_job")
def run_job(job_id: int) -> None:
    runner.run_job(job_id)


@shared_task(name="training.tasks.prepare_job")
def prepare_job(job_id: int) -> None:
    preparing.prepare_job(job_id)


@shared_task(name="training.tasks.recover_jobs")
def recover_jobs() -> None:
    jobs.recover_jobs()
    preparing.recover_preparations()


@shared_task(name="training.tasks.pack_lineages")
def pack_lineages() -> None:
    packing.pack_lineages()


@shared_task(name="training.tasks.evaluate")
def evaluate(checkpoint_id: int, task: str, options: dict[str, Any]) -> None:
    evaluations.evaluate_queued(checkpoint_id, task, options)


@shared_task(name="training.tasks.verify_checkpoint")
def verify_checkpoint(checkpoint_id: int, user_id: int) -> None:
    verification.verify_queued(checkpoint_id, user_id)


@shared_task(name="training.tasks.work_on_dataset")
def work_on_dataset(key: str) -> None:
    validation.work_on(key)


@shared_task(name="training.tasks.recover_datasets")
def recover_datasets() -> None:
    recovery.recover_datasets()
    leftovers.remove_abandoned_uploads()


@shared_task(name="training.tasks.work_on_transfer")
def work_on_transfer(pk: int) -> None:
    transferring.work_on(pk)


@shared_task(name="training.tasks.recover_transfers")
def recover_transfers() -> None:
    transferring.recover_transfers()


@worker_ready.connect
def recover_at_start(**kwargs: object) -> None:
    jobs.recover_jobs()


@worker_shutting_down.connect
def stop_running(**kwargs: object) -> None:
    runner.stop_all()
