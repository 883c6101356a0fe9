"""`manage.py demo`: everything on one machine, under one supervisor, until Ctrl-C."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from config import firstrun
from playground.demo import leftovers, preparation
from playground.demo.claim import address_of, check_port, claimed
from playground.demo.engine_environment import needs_install
from playground.demo.errors import DemoError
from playground.demo.lines import Lines
from playground.demo.programs import demo_programs
from playground.demo.screen import Screen
from playground.demo.site import StopSignal, open_browser, wait_for_page, watch
from playground.demo.supervisor import Supervisor


class Command(BaseCommand):
    help = "Starts Redis, web, worker and engines, trains the demo's models and shows how it goes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Port of the page on this machine.")
        parser.add_argument("--recipe", default=settings.RECIPE, help="Recipe of the flow to train.")
        parser.add_argument("--no-browser", action="store_true", help="Do not open the page in a browser.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with claimed(settings.HOME, options["port"]):
                self.run(options["port"], options["recipe"], browser=not options["no_browser"])
        except DemoError as error:
            raise CommandError(str(error)) from None

    def run(self, port: int, recipe: str, *, browser: bool) -> None:
        stop = StopSignal()
        self.stop_leftovers()
        check_port(port)
        self.introduce(address_of(port), preparation.prepare())
        programs = demo_programs(port, install_engine=needs_install())
        # Beside Redis's socket, in a directory whose path is short enough for one.
        socket = settings.EMBEDDED_REDIS_SOCKET.with_name("supervisor.sock")
        with Supervisor(programs, settings.HOME, socket) as supervisor:
            if wait_for_page(supervisor, address_of(port), stop):
                self.stdout.write(f"The page is up: {address_of(port)}")
                if browser and firstrun.has_desktop():
                    open_browser(address_of(port))
                with self.view(address_of(port)) as view:
                    watch(supervisor, view, recipe, stop)
            self.stdout.write("Stopping …")
        self.stdout.write("Everything has stopped. Start again with: make demo")

    def stop_leftovers(self) -> None:
        if count := leftovers.stop_all(settings.HOME):
            self.stdout.write(f"An earlier start was killed: stopped the {count} processes that it left.")

    def introduce(self, address: str, password: str | None) -> None:
        """Where everything is. The password is told once, when the administrator is made."""
        self.stdout.write(f"Starting Headwater at {address}")
        if password:
            self.stdout.write(
                f"Administrator: {preparation.ADMINISTRATOR}, password {password} (told only now)"
            )
        else:
            self.stdout.write(
                "Administrator: as before (forgotten? .venv/bin/python manage.py changepassword admin)"
            )
        self.stdout.write(f"Key for programs: in {settings.HOME / 'demo.key'}")

    def view(self, address: str) -> Screen | Lines:
        if sys.stdout.isatty():
            return Screen(Console(), address, settings.HOME)
        return Lines(sys.stdout)
