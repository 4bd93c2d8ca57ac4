"""Admin of the layer: events, system logs, tokens; and what an app's own admin can build on."""

from realtime.admin import events, system_logs, tokens

__all__ = ("events", "system_logs", "tokens")
