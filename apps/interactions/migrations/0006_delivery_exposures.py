from django.db import migrations, models

COLUMNS = """
ALTER TABLE interactions_delivery
    ADD COLUMN hold_seconds integer NOT NULL DEFAULT 1800,
    ADD COLUMN counted boolean NOT NULL DEFAULT true,
    ADD COLUMN price_version bigint NOT NULL DEFAULT 0;
"""
BACK = """
ALTER TABLE interactions_delivery
    DROP COLUMN hold_seconds, DROP COLUMN counted, DROP COLUMN price_version;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('interactions', '0005_delivery_inputs'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField('delivery', 'hold_seconds', models.IntegerField(db_default=1800)),
                migrations.AddField('delivery', 'counted', models.BooleanField(db_default=True)),
                migrations.AddField('delivery', 'price_version', models.BigIntegerField(db_default=0)),
            ],
            database_operations=[migrations.RunSQL(COLUMNS, BACK)],
        ),
    ]
