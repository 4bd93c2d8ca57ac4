"""The filter on the layer's own log: what says that Redis is away, and nothing else."""

from __future__ import annotations

import logging

import pytest
from redis import exceptions

from realtime.layer_outages import NOISY_LOGGER, OutageFilter, is_outage, quieten_outages

AWAY = [
    exceptions.ConnectionError("Connection closed by server."),
    exceptions.TimeoutError("Timeout reading from socket"),
    exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
    ConnectionRefusedError("refused"),
    TimeoutError(),
]
OTHER = [
    exceptions.ResponseError("unknown command"),
    exceptions.NoPermissionError("this user has no permissions"),
    KeyError("channel"),
    RuntimeError("what is this"),
]


@pytest.fixture
def noisy(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    quieten_outages()
    quieten_outages()
    return logging.getLogger(NOISY_LOGGER)


def log(logger: logging.Logger, error: Exception) -> None:
    try:
        raise error
    except Exception:
        logger.exception("Unexpected exception in receive task")


@pytest.mark.parametrize("error", AWAY)
def test_layer_that_is_away_is_not_told_by_its_library(
    noisy: logging.Logger, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    assert is_outage(error)
    log(noisy, error)
    assert caplog.records == []


@pytest.mark.parametrize("error", OTHER)
def test_every_other_error_passes(
    noisy: logging.Logger, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    log(noisy, error)
    log(noisy, error)
    assert len(caplog.records) == 2


def test_lines_without_an_error_pass(
    noisy: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    noisy.warning("something else")
    assert len(caplog.records) == 1
    assert sum(isinstance(each, OutageFilter) for each in noisy.filters) == 1
