"""The mathematics: statistics of counts, the reference as tables, design effect, hours of the day.

It imports `counting`, `profile` and `protocol`.
Pure.
"""
