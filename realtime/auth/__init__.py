"""Who a client is, what it may see, and how both are looked at again while it is connected."""
