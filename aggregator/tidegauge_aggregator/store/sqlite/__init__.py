"""The embedded store, one SQLite file.

May import `domain` and the store's protocol.
Runs in the store's thread, and touches one folder on the disk.
"""
