"""prefect as a peer."""
