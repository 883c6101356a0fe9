"""MCP servers in the admin: allowed, asked for their functions, switched off."""

import asyncio
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from accounts.sealing import UnsealError
from playground.core.tools.servers import ToolServerError, list_functions
from playground.tools.forms import ToolServerForm
from playground.tools.models import ToolServer


@admin.register(ToolServer)
class ToolServerAdmin(admin.ModelAdmin):
    form = ToolServerForm
    list_display = ["name", "address", "authorised", "enabled", "trusted", "count", "listed_at", "error"]
    list_filter = ["enabled", "trusted"]
    search_fields = ["name", "address"]
    readonly_fields = ["count", "listed_at", "error"]
    actions = ["list_again"]

    @admin.display(description="functions")
    def count(self, server: ToolServer) -> str:
        return ", ".join(each["function"]["name"] for each in server.functions) or "none"

    @admin.display(description="secret", boolean=True)
    def authorised(self, server: ToolServer) -> bool:
        return bool(server.sealed_authorization)

    def save_model(self, request: HttpRequest, obj: ToolServer, form: Any, change: bool) -> None:
        """Asks the server for its functions, so that what is offered is what is there."""
        ask(obj)
        super().save_model(request, obj, form, change)
        if obj.error:
            messages.warning(request, f"{obj}: {obj.error}")

    @admin.action(description="Ask for their functions again")
    def list_again(self, request: HttpRequest, queryset: Any) -> None:
        for server in queryset:
            ask(server)
            server.save()
            level = messages.WARNING if server.error else messages.INFO
            said = server.error or f"{len(server.functions)} functions"
            messages.add_message(request, level, f"{server}: {said}")


def ask(server: ToolServer) -> None:
    """What its functions are, kept with the server; what went wrong, where they cannot be had."""
    try:
        asked = list_functions(server.address, server.name, authorization=server.authorization)
        functions = asyncio.run(asked)
    except (ToolServerError, UnsealError) as error:
        server.functions, server.error = [], str(error)
        return
    server.functions = [function.to_dict() for function in functions]
    server.listed_at, server.error = timezone.now(), ""
