"""Fields that hold whatever a model may write, on any database."""

from typing import Any

from django.db import models

from tracing.kept import without_nulls


class WrittenTextField(models.TextField):
    """Text in which a model may have written NUL, which PostgreSQL cannot keep: U+FFFD stands for it, one
    character for one, so that offsets stay what they are; a message's token ids say what it was."""

    def get_prep_value(self, value: Any) -> Any:
        return without_nulls(super().get_prep_value(value))


class WrittenJSONField(models.JSONField):
    """The same for the texts in a JSON value."""

    def get_prep_value(self, value: Any) -> Any:
        return without_nulls(super().get_prep_value(value))
