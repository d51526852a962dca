from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("interactions", "0010_effects_of_flags")]

    operations = [
        migrations.AddField("keptfact", "said_at", models.DateTimeField(null=True)),
    ]
