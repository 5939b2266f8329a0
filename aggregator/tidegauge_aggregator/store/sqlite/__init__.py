"""The embedded store, one SQLite file.

It imports `domain`, `store`.
Runs in the store's thread, and touches one folder on the disk.
"""
