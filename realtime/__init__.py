"""A gapless, resumable feed of committed model changes for Django, over WebSockets."""

__version__ = "1.0.0"
