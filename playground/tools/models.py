"""Servers whose functions chats may call, and the calls that models made."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.utils import timezone

from accounts.sealing import unseal
from playground.fields import WrittenJSONField, WrittenTextField

NAME_CHARACTERS = 24


class ToolServerQuerySet(models.QuerySet["ToolServer"]):
    def offered(self) -> "ToolServerQuerySet":
        """Those that are switched on and have said what their functions are."""
        return self.filter(enabled=True).exclude(functions=[])


class ToolServer(models.Model):
    """An MCP server (streamable HTTP) that an administrator allowed."""

    name = models.CharField(
        max_length=NAME_CHARACTERS,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*$", "Small letters, digits and underscores.")],
        help_text="Goes before its functions' names, as in name.function.",
    )
    address = models.CharField(
        max_length=500,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="http://host:port/path. Headwater itself calls it: name only what may be called from here.",
    )
    sealed_authorization = models.TextField(
        blank=True, editable=False, help_text="The value of the Authorization header, sealed."
    )
    enabled = models.BooleanField(default=True, help_text="Off: nobody is offered its functions.")
    trusted = models.BooleanField(
        default=False, help_text="Its functions run without asking the person in whose chat they are called."
    )
    functions = models.JSONField(default=list, editable=False)
    listed_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, editable=False, help_text="Why its functions could not be listed.")

    objects = ToolServerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def authorization(self) -> str:
        """The value of the header of that name, for calls of it; empty for none. Raises UnsealError."""
        return unseal(self.sealed_authorization) if self.sealed_authorization else ""

    def clean(self) -> None:
        if "@" in self.address.split("://", 1)[-1].split("/", 1)[0]:
            raise ValidationError({"address": "Leave user and password out of the address: it is shown."})


class CallState(models.TextChoices):
    WAITING = "waiting", "waits for you"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    REFUSED = "refused", "refused"


SETTLED = (CallState.DONE, CallState.FAILED, CallState.REFUSED)


class CallRecord(models.Model):
    """A call that a model made in an answer, and what came of it."""

    message = models.ForeignKey("playground.Message", on_delete=models.CASCADE, related_name="calls")
    number = models.PositiveSmallIntegerField()
    function = models.CharField(max_length=200)
    arguments = WrittenJSONField(default=dict)
    server = models.ForeignKey(
        ToolServer,
        null=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        help_text="None: a function that the person declared.",
    )
    state = models.CharField(max_length=20, choices=CallState.choices, default=CallState.WAITING)
    lasting = models.BooleanField(default=False, help_text="Approved for the rest of the chat.")
    result = WrittenTextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="one_call_a_number")]

    def __str__(self) -> str:
        return f"{self.function} of {self.message_id}"
