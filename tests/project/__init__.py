"""Tests of project/: settings, the demo, the commands of make."""
