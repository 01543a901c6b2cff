"""ray as a peer."""
