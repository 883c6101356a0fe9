"""Who may talk to which models, and from when until when."""

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import User
from training.access_rules.models import AccessRule
from training.models import Checkpoint


def signed_in(user: User | None) -> User | None:
    """The person; None for somebody who is not signed in."""
    return user if user is not None and user.is_authenticated else None


def checkpoints_for(user: User | None) -> QuerySet[Checkpoint]:
    """The checkpoints that this person may talk to now; None stands for somebody who is not signed in.

    A model that no rule names is open to everybody; one that rules name, to those whom one of them admits at
    this moment. Administrators have all.
    """
    user = signed_in(user)
    if user is not None and user.is_staff:
        return Checkpoint.objects.all()
    rules = AccessRule.objects.naming(OuterRef("pk"), OuterRef("job__flow"))
    admitting = rules.open_at(timezone.now()).admitting(user)
    return Checkpoint.objects.filter(~Exists(rules) | Exists(admitting))
