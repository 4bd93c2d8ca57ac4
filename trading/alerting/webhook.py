"""The webhook: one signed POST of an alert's JSON, within a deadline, and nowhere else."""

from __future__ import annotations

import hmac
import json
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from urllib.parse import urlsplit

from trading.alerting.delivery import DeliveryFailed
from trading.conf import risk_conf
from trading.models import Alert

# For the whole try: a receiver that sends a byte now and then must not hold the watcher.
DEADLINE_SECONDS = 10.0
ID_HEADER = "Idempotency-Key"
SIGNATURE_HEADER = "X-Alert-Signature"


def post_webhook(alert: Alert) -> None:
    """Post the alert; raises DeliveryFailed unless the answer is a 2xx.

    A redirect is no 2xx: the secret goes where the setting says and nowhere else.
    """
    conf = risk_conf()
    if not conf.webhook_url:
        raise DeliveryFailed("RISK_WEBHOOK_URL is not set any more")
    body = json.dumps(alert.payload, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "stable-cash-carry",
        ID_HEADER: str(alert.alert_id),
    }
    if conf.webhook_secret:
        headers[SIGNATURE_HEADER] = sign(body, secret=conf.webhook_secret, at=int(time.time()))
    status = _post(conf.webhook_url, body, headers)
    if not 200 <= status < 300:
        raise DeliveryFailed(f"the webhook answered {status}")


def sign(body: bytes, *, secret: str, at: int) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that an old post cannot come again."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, "sha256").hexdigest()
    return f"t={at},v1={digest}"


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer; raises DeliveryFailed with the kind of error alone."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=DEADLINE_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + DEADLINE_SECONDS
    timer = Timer(DEADLINE_SECONDS, _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    except (OSError, HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise DeliveryFailed(f"no answer within {DEADLINE_SECONDS:g} s") from None
        # Its text may name the address.
        raise DeliveryFailed(type(error).__name__) from None
    finally:
        timer.cancel()
        connection.close()


def _cut(connection: HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
