from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("realtime", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SystemLogLine",
            fields=[],
            options={
                "verbose_name": "system log line",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("realtime.event",),
        ),
        migrations.AlterModelOptions(
            name="event",
            options={
                "default_permissions": ("view",),
                "permissions": (
                    ("view_system_log", "Can view the system log feed"),
                    ("publish_event", "Can publish test events, and events again"),
                ),
            },
        ),
    ]
