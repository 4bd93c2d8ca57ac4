"""The project with a few pages more, which log as an application does."""

from project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.e2e.support.noisy_urls"
