from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("members", "0005_versions")]

    operations = [
        migrations.AddField("connection", "version", models.BigIntegerField(db_default=0, editable=False)),
    ]
