"""The mathematics: statistics of counts, the reference as tables, design effect, hours of the day.

It imports `arrays`, `counting`, `errors`, `profile`, `protocol`; from outside `numpy`, `scipy`.
Pure.
"""
