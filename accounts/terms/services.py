"""What is asked about terms of use, and accepting them."""

from django.http import HttpRequest

from accounts.models import User
from accounts.owners import Owner
from accounts.terms.models import Terms, TermsAcceptance


def terms_due(request: HttpRequest) -> Terms | None:
    """The version that whoever sent the request has still to accept."""
    terms = Terms.objects.in_force()
    if terms is None or TermsAcceptance.objects.of_browser(request).of_version(terms).exists():
        return None
    return terms


def terms_due_of(user: User) -> Terms | None:
    """The version that this person has still to accept before their programs go on."""
    terms = Terms.objects.in_force()
    if terms is None or TermsAcceptance.objects.filter(owner=user, terms=terms).exists():
        return None
    return terms


def accept_terms(*, terms: Terms, owner: Owner) -> None:
    """Remember that they accepted this version; once is enough."""
    if not TermsAcceptance.objects.of(owner).of_version(terms).exists():
        TermsAcceptance.objects.create(terms=terms, owner=owner.user, session_key=owner.session_key)
