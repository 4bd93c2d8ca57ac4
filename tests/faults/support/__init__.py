"""What the fault tests stand on: a cluster of their own, a crowd that watches it, the verdict."""
