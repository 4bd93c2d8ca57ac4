"""A channel layer that is away, in the log: our publisher tells of it once, not its library.

Nothing else is kept from the log: an error of another kind passes, as often as it happens.
"""

from __future__ import annotations

import logging

# Where channels_redis logs, with a traceback, each try to hear Redis again.
NOISY_LOGGER = "channels_redis.pubsub"


class OutageFilter(logging.Filter):
    """Leaves out what a layer's library logs about a connection that is gone."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record tells of anything else."""
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not is_outage(error)


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that the layer's server cannot be reached, or does not answer."""
    if isinstance(error, OSError):
        return True
    # Not at the top: without a shared layer nothing else needs this library.
    from redis import exceptions

    return isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError)


def quieten_outages() -> None:
    """Put the filter where the library logs; once."""
    logger = logging.getLogger(NOISY_LOGGER)
    if not any(isinstance(present, OutageFilter) for present in logger.filters):
        logger.addFilter(OutageFilter())
