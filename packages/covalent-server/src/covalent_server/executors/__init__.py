"""Executors: how a worker gets started in an environment."""
