"""`manage.py withhold STORE NUMBER...`: hide documents everywhere at once, or show them again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.errors import TracingError
from tracing.models import Store, Withholding
from tracing.withholding.acts import restore_documents, withhold_documents
from tracing.withholding.models import Reason


class Command(BaseCommand):
    help = (
        "Hides documents of a store from every trace, search and page, at once and in all processes, or with "
        "--lift shows them again. It is written to the audit log under your name on this machine."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("store", help="the store's name")
        parser.add_argument("numbers", nargs="+", type=int, metavar="number", help="documents' numbers")
        parser.add_argument("--reason", choices=Reason.values, help="why (by default: taken down)")
        parser.add_argument("--note", default="", help="more about it, for administrators only")
        parser.add_argument("--lift", action="store_true", help="show them again, or only lift --reason")

    def handle(self, *args: Any, store: str, numbers: list[int], **options: Any) -> None:
        row = Store.objects.filter(name=store).first()
        if row is None:
            known = ", ".join(Store.objects.values_list("name", flat=True)[:20])
            raise CommandError(f"No store is called {store!r}. Known: {known or 'none yet'}.")
        act = self.lift if options["lift"] else self.withhold
        try:
            done = act(row, numbers, options["reason"], options["note"])
        except TracingError as error:
            raise CommandError(str(error)) from error
        verb = "Lifted" if options["lift"] else "Withheld"
        self.stdout.write(self.style.SUCCESS(f"{verb} {len(done)} of {len(set(numbers))} documents."))

    def withhold(self, store: Store, numbers: list[int], reason: str | None, note: str) -> list[Withholding]:
        why = Reason(reason or Reason.TAKEN_DOWN)
        return withhold_documents(
            store=store, documents=numbers, reason=why, note=note, by=Actor.of_command("withhold")
        )

    def lift(self, store: Store, numbers: list[int], reason: str | None, note: str) -> list[Withholding]:
        rows = Withholding.objects.in_force().filter(
            store_name=store.name, digest=store.digest, document__in=numbers
        )
        chosen = rows.filter(reason=reason) if reason else rows
        return restore_documents(withholdings=chosen, note=note, by=Actor.of_command("withhold"))
