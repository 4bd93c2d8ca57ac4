"""What `/metrics` says, as numbers; tests compare two scrapes, since counters only rise."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from realtime.exposition import metrics_text


class Scrape:
    """Every sample of one moment."""

    def __init__(self, text: str | None = None) -> None:
        found = metrics_text().decode() if text is None else text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(found)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The value of `realtime_NAME` with these labels."""
        return self._values[f"realtime_{name}", frozenset(labels.items())]

    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self._values}


class Rise:
    """How much counters have risen since it was made."""

    def __init__(self) -> None:
        self._before = Scrape()

    def __call__(self, name: str, **labels: str) -> float:
        """By how much `realtime_NAME` with these labels."""
        return Scrape()(name, **labels) - self._before(name, **labels)
