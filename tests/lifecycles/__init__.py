"""Nodes in whatever happens to them, against a model that was written from the rules and not from the code.

``model`` says what the rules of leases make of each event. ``core_machine`` holds the pure decisions against it,
``database_machine`` two databases, one of which is told everything singly and the other many things at a time.
"""
