"""parsl as a peer."""
