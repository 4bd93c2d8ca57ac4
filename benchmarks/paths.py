"""Where the measured server takes orders; apart, since importing the server starts it."""

WRITER_PATH = "/benchmarks/write"
