"""What Celery workers do: run training jobs (queue gpu), look after those whose worker died, pack small
stores."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from training import jobs, packing, runner


@shared_task(name="training.tasks.run_job")
def run_job(job_id: int) -> None:
    runner.run_job(job_id)


@shared_task(name="training.tasks.recover_jobs")
def recover_jobs() -> None:
    jobs.recover_jobs()


@shared_task(name="training.tasks.pack_lineages")
def pack_lineages() -> None:
    packing.pack_lineages()


@worker_ready.connect
def recover_at_start(**kwargs: object) -> None:
    jobs.recover_jobs()


@worker_shutting_down.connect
def stop_running(**kwargs: object) -> None:
    runner.stop_all()
