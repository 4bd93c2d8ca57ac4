"""What Django's error pages and error mails leave out: every setting that may hold a secret."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Django's own rule, and addresses: a webhook's or a database's may hold its credentials."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|_URL$", re.IGNORECASE
    )
