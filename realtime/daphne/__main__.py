"""`python -m realtime.daphne`: Daphne's command line on our server, with all of its options."""

from realtime.daphne.cli import RealtimeCommandLineInterface

if __name__ == "__main__":
    RealtimeCommandLineInterface.entrypoint()
