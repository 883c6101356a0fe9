"""Threads were lists, told by position; each message now knows the one before it."""

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill_parents(apps, schema_editor):
    messages = apps.get_model("playground", "Message").objects.using(schema_editor.connection.alias)
    before = messages.filter(thread=OuterRef("thread"), position__lt=OuterRef("position")).order_by("-position")
    messages.update(parent=Subquery(before.values("pk")[:1]))


def settle_second_answers(apps, schema_editor):
    """Of a thread that has two answers being written, which no page could have begun, keep the last so."""
    messages = apps.get_model("playground", "Message").objects.using(schema_editor.connection.alias)
    later = messages.filter(thread=OuterRef("thread"), position__gt=OuterRef("position"), state="writing")
    writing = messages.filter(state="writing").annotate(later=Subquery(later.values("pk")[:1]))
    ids = list(writing.filter(later__isnull=False).values_list("pk", flat=True))
    messages.filter(pk__in=ids).update(
        state="interrupted", error="Headwater was stopped while this answer was being written."
    )


class Migration(migrations.Migration):

    dependencies = [
        ('playground', '0006_branches'),
    ]

    operations = [
        migrations.RunPython(fill_parents, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(settle_second_answers, migrations.RunPython.noop, elidable=True),
    ]
