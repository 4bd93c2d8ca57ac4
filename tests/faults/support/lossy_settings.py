"""The project with a channel layer that loses, doubles and reorders."""

from project.settings import *  # noqa: F403
from project.settings import CHANNEL_LAYERS

CHANNEL_LAYERS["default"]["BACKEND"] = "tests.faults.support.lossy_layer.LossyLayer"
