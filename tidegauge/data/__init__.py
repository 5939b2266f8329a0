"""Rows in: columns of frames and files, times, and rows drawn from a profile.

It imports `profile` and `protocol`.
It reads the files that it is given; no clock, no network.
"""
