from django.db import migrations


class Migration(migrations.Migration):
    """Editors draft, approvers publish."""

    dependencies = [("releases", "0002_immutable")]
    operations = [
        migrations.AlterModelOptions(
            name="release",
            options={"ordering": ["-number"], "permissions": [("publish_release", "Can publish a draft and roll back")]},
        )
    ]
