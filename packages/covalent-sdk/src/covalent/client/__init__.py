"""What a script asks of a server: start this workflow, tell me how it ended, stop it, run it again.

Each module is loaded for itself: a script that dispatches and waits need not load what cancels or redispatches.
"""
