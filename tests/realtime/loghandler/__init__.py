"""The promises of the protocol one by one, each on the part that keeps it; mutants break these."""
