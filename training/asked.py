"""What a person asks of a running job, passed on to its child."""

import time

from training import child
from training.models import Job

PATIENCE_S = 30.0
PATIENCE_IN_TRAINING_S = 300.0
TRAINING = "training"


class Asked:
    """Passes on to the child of an attempt what stands in `Job.wanted`."""

    def __init__(self, job: Job) -> None:
        self._job, self._told, self._since = job, str(job.wanted), time.monotonic()
        self._was_wanted = bool(job.wanted)

    def overdue(self, phase: str) -> str:
        """What is asked and should have been done by now, else nothing. A step may take minutes; outside of
        the steps nobody looks, and what is published or saved is there to go on from."""
        wanted = Job.objects.values_list("wanted", flat=True).get(pk=self._job.pk)
        if wanted != self._told:
            child.pass_on(self._job, wanted)
            self._told, self._since = wanted, time.monotonic()
        # What is started only to publish its saved state has to load it first.
        patience_s = PATIENCE_IN_TRAINING_S if phase == TRAINING or self._was_wanted else PATIENCE_S
        return wanted if wanted and time.monotonic() - self._since > patience_s else ""
