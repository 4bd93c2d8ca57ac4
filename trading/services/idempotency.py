"""Carries a request with an `Idempotency-Key` out once, and answers its repetitions alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
from django.db import transaction
from django.utils import timezone

from trading.errors import KeyReused
from trading.models import KeptAnswer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, Any]
    is_replay: bool = False


def answer_once(*, user: User, key: str, request: object, perform: Callable[[], Answer]) -> Answer:
    """The answer of `perform`; within a day the same key of the same user gets the same answer.

    The key and what `perform` writes are one transaction: a failure leaves neither, and who comes
    at the same time with the same key waits for the end of the first, then gets its answer.
    `request` is JSON that says what is asked for; another one under the key raises KeyReused.
    """
    digest = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()
    now = timezone.now()
    with transaction.atomic():
        KeptAnswer.objects.filter(user=user, created_at__lte=now - KEPT_FOR).delete()
        # Before the account is locked, like every caller with a key: no deadlock.
        kept, is_new = KeptAnswer.objects.get_or_create(
            user=user, key=key, defaults={"request_digest": digest, "created_at": now}
        )
        if not is_new:
            return _replay(kept, digest)
        answer = perform()
        kept.status, kept.body = answer.status, orjson.dumps(answer.body).decode()
        kept.save(update_fields=["status", "body"])
    return answer


def _replay(kept: KeptAnswer, digest: str) -> Answer:
    if kept.request_digest != digest:
        raise KeyReused(key=kept.key)
    return Answer(status=kept.status, body=orjson.loads(kept.body), is_replay=True)
