"""What every channel may say when an alert does not go out."""


class DeliveryFailed(Exception):
    """An alert was not sent; the text says why, and holds no address and no secret."""
