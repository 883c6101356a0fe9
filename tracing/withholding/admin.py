"""Withheld documents, block rules and sweeps in the admin: acts go through the services, rows are history."""

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.audit import Actor
from tracing.core.errors import InputError
from tracing.models import BlockRule, Store, Sweep, Withholding
from tracing.withholding.acts import check_numbers, restore_documents, withhold_documents
from tracing.withholding.models import Reason
from tracing.withholding.passes import blocking_of
from tracing.withholding.rules import block_documents, lift_rule
from tracing.withholding.scans import start_scan
from tracing.withholding.sweeps import requeue, stop_sweep

NUMBERS_MAX = 10_000


class History:
    """Rows that are added by services, which log it, and never changed or deleted by hand."""

    audited_by_services = True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whoever may add such rows may also lift, stop and restart them."""
        return bool(self.has_add_permission(request))  # type: ignore[attr-defined]


class WithholdingForm(forms.ModelForm):
    """Documents of one store, by their numbers."""

    store = forms.ModelChoiceField(Store.objects.all())
    numbers = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Document numbers, with commas or line breaks between them; 20-30 is all from 20 to 30.",
    )

    class Meta:
        model = Withholding
        fields = ["store", "numbers", "reason", "note"]

    def clean_numbers(self) -> list[int]:
        return numbers_in(self.cleaned_data["numbers"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "store" in cleaned and "numbers" in cleaned:
            try:
                check_numbers(cleaned["store"], cleaned["numbers"])
            except InputError as error:
                raise ValidationError(str(error)) from error
        return cleaned


def numbers_in(text: str) -> list[int]:
    """The numbers of a list such as "3, 20-30". Raises ValidationError."""
    found: set[int] = set()
    for part in re.split(r"[,;\s]+", text.strip()):
        matched = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", part)
        if matched is None:
            raise ValidationError(f"{part[:40]!r} is neither a number nor a range like 20-30.")
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if last - first >= NUMBERS_MAX:
            raise ValidationError(
                f"{part} is more than {NUMBERS_MAX:,} documents: use a block rule for so many."
            )
        found.update(range(first, last + 1))
    if len(found) > NUMBERS_MAX:
        raise ValidationError(f"At most {NUMBERS_MAX:,} documents at once: use a block rule for more.")
    return sorted(found)


@admin.register(Withholding)
class WithholdingAdmin(History, admin.ModelAdmin):
    form = WithholdingForm
    list_display = ["store_name", "document", "reason", "kinds", "rule", "note", "by", "created_at", "lifted"]
    list_filter = ["reason", ("lifted_at", admin.EmptyFieldListFilter), "store_name"]
    search_fields = ["store_name", "=document", "document_id", "note", "by"]
    list_select_related = ["rule"]
    date_hierarchy = "created_at"
    actions = ["restore"]

    @admin.display(description="restored")
    def lifted(self, row: Withholding) -> str:
        return f"{row.lifted_at:%Y-%m-%d %H:%M} by {row.lifted_by}" if row.lifted_at else ""

    def get_fields(self, request: HttpRequest, obj: Withholding | None = None) -> list[str]:
        if obj is None:
            return ["store", "numbers", "reason", "note"]
        return [field.name for field in Withholding._meta.fields if field.name not in {"id", "version"}]

    def save_model(self, request: HttpRequest, obj: Withholding, form: Any, change: bool) -> None:
        cleaned = form.cleaned_data
        made = withhold_documents(
            store=cleaned["store"],
            documents=cleaned["numbers"],
            reason=Reason(cleaned["reason"]),
            note=cleaned["note"],
            by=Actor.of_request(request),
        )
        store, first = cleaned["store"], cleaned["numbers"][0]
        there = Withholding.objects.in_force().filter(store_name=store.name, digest=store.digest)
        obj.__dict__.update((made or there.filter(document=first))[0].__dict__)
        messages.info(
            request, f"{len(made)} of {len(cleaned['numbers'])} documents were not withheld before."
        )

    @admin.action(description="Restore: show these documents again", permissions=["act"])
    def restore(self, request: HttpRequest, rows: QuerySet[Withholding]) -> None:
        note, by = "restored from the admin's list", Actor.of_request(request)
        lifted = restore_documents(withholdings=rows, note=note, by=by)
        messages.success(request, f"Lifted {len(lifted)}; a document withheld for another reason stays so.")


class BlockRuleForm(forms.ModelForm):
    class Meta:
        model = BlockRule
        fields = ["kind", "field", "value", "note"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"kind", "value"} <= cleaned.keys():
            try:
                blocking_of(BlockRule(**cleaned))
            except InputError as error:
                raise ValidationError(str(error)) from error
        return cleaned


@admin.register(BlockRule)
class BlockRuleAdmin(History, admin.ModelAdmin):
    form = BlockRuleForm
    list_display = ["__str__", "note", "by", "created_at", "documents", "lifted_at", "lifted_by"]
    list_filter = ["kind", ("lifted_at", admin.EmptyFieldListFilter)]
    search_fields = ["value", "field", "note"]
    actions = ["lift"]

    @admin.display(description="documents withheld")
    def documents(self, rule: BlockRule) -> int:
        return rule.withholdings.filter(lifted_at=None).count()

    def save_model(self, request: HttpRequest, obj: BlockRule, form: Any, change: bool) -> None:
        sweeps = block_documents(rule=obj, by=Actor.of_request(request))
        messages.info(request, f"{len(sweeps)} stores are gone through now; the sweeps show how far it is.")

    @admin.action(description="Lift: show what these rules alone withheld", permissions=["act"])
    def lift(self, request: HttpRequest, rules: QuerySet[BlockRule]) -> None:
        lifted = sum(lift_rule(rule=rule, by=Actor.of_request(request)) for rule in rules)
        messages.success(request, f"Lifted; {lifted} documents were withheld by these rules.")


@admin.register(Sweep)
class SweepAdmin(History, admin.ModelAdmin):
    list_display = [
        "__str__",
        "rule",
        "state",
        "progress",
        "found",
        "kinds",
        "eta",
        "by",
        "created_at",
        "error",
    ]
    list_filter = ["kind", "state", "store_name"]
    list_select_related = ["rule"]
    actions = ["go_on", "stop"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tracing.add_withholding")

    @admin.display(description="progress")
    def progress(self, sweep: Sweep) -> str:
        return f"{sweep.done:,} of {sweep.total:,}"

    @admin.display(description="seconds left")
    def eta(self, sweep: Sweep) -> str:
        return f"{sweep.eta_s:,.0f}" if sweep.eta_s else ""

    @admin.action(description="Go on with those that failed or were stopped", permissions=["act"])
    def go_on(self, request: HttpRequest, sweeps: QuerySet[Sweep]) -> None:
        failed = list(sweeps.filter(state="failed"))
        for sweep in failed:
            requeue(sweep)
        messages.success(request, f"{len(failed)} sweeps go on from where they were.")

    @admin.action(description="Stop; what was withheld stays so", permissions=["act"])
    def stop(self, request: HttpRequest, sweeps: QuerySet[Sweep]) -> None:
        stopped = sum(stop_sweep(sweep=sweep, by=Actor.of_request(request)) for sweep in sweeps)
        messages.success(request, f"Stopped {stopped} sweeps.")


@admin.action(description="Scan for personal data, in the background", permissions=["scan"])
def scan_stores(modeladmin: Any, request: HttpRequest, stores: QuerySet[Store]) -> None:
    """For the list of stores."""
    for store in stores:
        start_scan(store=store, by=Actor.of_request(request))
    messages.success(request, f"{stores.count()} scans were started; the sweeps show how far they are.")
