from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('playground', '0007_parents_from_positions'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'writing')), fields=('thread',), name='one_answer_written_a_thread'),
        ),
    ]
