"""The admin's site: the same way in as everywhere, and no model whose changes leave no trace."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


class Site(admin.AdminSite):
    site_header = "Headwater"
    site_title = "Headwater"
    index_title = "Administration"

    def register(
        self, model_or_iterable: Any, admin_class: type[admin.ModelAdmin] | None = None, **options: Any
    ) -> None:
        """As Django's; what a class changes is written to the audit log, whoever wrote the class."""
        from accounts.administration.audited import Audited

        admin_class = admin_class or admin.ModelAdmin
        if not issubclass(admin_class, Audited):
            own = {"__module__": __name__, AUDITED: getattr(admin_class, AUDITED, False)}
            admin_class = type(admin_class.__name__, (Audited, admin_class), own)
        super().register(model_or_iterable, admin_class, **options)

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The one page of signing in, where attempts are counted."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied("Only administrators see these pages.")
        return redirect_to_login(request.GET.get("next") or "/admin/")

    @method_decorator(never_cache)
    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list of all there is, with what administrators did last."""
        from accounts.models import AuditEntry

        may_read = request.user.has_perm("accounts.view_auditentry")
        acts = AuditEntry.objects.exclude(action="sign in")[:LATEST] if may_read else []
        return super().index(request, {"latest_acts": acts, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """People and their keys first, what packages bring last."""
        apps = super().get_app_list(request, app_label)
        return sorted(apps, key=lambda app: place_of(app["app_label"], ORDER))


AUDITED = "audited_by_services"
LATEST = 12
ORDER = ("accounts", "playground", "training", "tracing")


def place_of(name: str, order: Iterable[str]) -> int:
    known = list(order)
    return known.index(name) if name in known else len(known)
