"""dbos as a peer."""
