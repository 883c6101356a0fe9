"""Sign-ins of people who may administer the site leave an entry in the audit log."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.audit import Actor, record_act
from accounts.models import User


@receiver(user_logged_in)
def log_sign_in(sender: type[User], request: HttpRequest, user: User, **kwargs: Any) -> None:
    if user.is_staff:
        name, address = user.get_username(), request.META.get("REMOTE_ADDR", "")
        by = Actor(name, user, address=address)
        record_act(by=by, action="sign in", object_type="account", object_id=user.pk, label=name)
