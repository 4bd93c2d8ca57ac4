"""The account that positions, equity and risk belong to when none is named."""

from typing import Any

from django.db import migrations

DEFAULT_ACCOUNT = "default"


def create_default_account(apps: Any, schema_editor: Any) -> None:
    """Add it, unless it exists."""
    account = apps.get_model("trading", "Account")
    account.objects.using(schema_editor.connection.alias).get_or_create(pk=DEFAULT_ACCOUNT)


class Migration(migrations.Migration):
    """Creates the default account; undoing it leaves the account, which may hold positions."""

    dependencies = [("trading", "0001_initial")]

    operations = [migrations.RunPython(create_default_account, migrations.RunPython.noop)]
