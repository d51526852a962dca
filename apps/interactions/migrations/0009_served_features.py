"""What the lists of a share of deliveries were made of, beside them."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

COLUMNS = """
ALTER TABLE interactions_delivery
    ADD COLUMN feature_names text[], ADD COLUMN feature_numbers integer[], ADD COLUMN features bytea,
    ADD CONSTRAINT delivery_features_agree CHECK (features IS NULL
        OR octet_length(features) = 4 * cardinality(feature_names) * cardinality(feature_numbers));
CREATE INDEX interactions_delivery_features ON interactions_delivery (surface, served_at)
    WHERE features IS NOT NULL;
"""
BACK = """
ALTER TABLE interactions_delivery
    DROP COLUMN features, DROP COLUMN feature_numbers, DROP COLUMN feature_names;
"""


class Migration(migrations.Migration):

    dependencies = [("interactions", "0008_kept_facts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("delivery", "feature_names", ArrayField(models.TextField(), null=True)),
                migrations.AddField(
                    "delivery", "feature_numbers", ArrayField(models.IntegerField(), null=True)
                ),
                migrations.AddField("delivery", "features", models.BinaryField(null=True)),
            ],
            database_operations=[migrations.RunSQL(COLUMNS, BACK)],
        ),
    ]
