import django.db.models.deletion
from django.db import migrations, models


def seat_pairs(apps, schema_editor):
    """Each pair's two conversations take the first two places of its lineup."""
    Seat = apps.get_model("playground", "Seat")
    for lineup in apps.get_model("playground", "Lineup").objects.iterator():
        Seat.objects.create(lineup=lineup, place=0, thread_id=lineup.left_id)
        Seat.objects.create(lineup=lineup, place=1, thread_id=lineup.right_id)


class Migration(migrations.Migration):
    dependencies = [("playground", "0010_imported_messages")]

    operations = [
        migrations.RenameModel("Pair", "Lineup"),
        migrations.AddField("lineup", "blind", models.BooleanField(default=False, help_text="Which model is which stays hidden until there is a vote.")),
        migrations.CreateModel(
            name="Seat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField()),
                ("lineup", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="seats", to="playground.lineup")),
                ("thread", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="seat", to="playground.thread")),
            ],
            options={
                "ordering": ["place"],
                "constraints": [models.UniqueConstraint(fields=("lineup", "place"), name="one_seat_a_place")],
            },
        ),
        migrations.RunPython(seat_pairs, migrations.RunPython.noop),
    ]
