"""The site that runs: settings, URLs and the server's entry point."""
