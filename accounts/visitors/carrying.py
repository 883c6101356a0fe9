"""What a browser made before somebody signed in there becomes theirs, and stays as private."""

from accounts.models import User
from accounts.owners import owned_models


def carry_over(*, session_key: str, user: User) -> int:
    """Give all that the browser's session owns to the person; returns how many rows that were."""
    if not session_key:
        return 0
    return sum(
        model._base_manager.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
        for model in owned_models()
    )
