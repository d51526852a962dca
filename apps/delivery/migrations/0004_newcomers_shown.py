from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('delivery', '0003_pacing_prices'),
    ]

    operations = [
        migrations.AddField(
            model_name='pacingprices',
            name='newcomers',
            field=models.BinaryField(db_default=b'', default=bytes),
        ),
    ]
