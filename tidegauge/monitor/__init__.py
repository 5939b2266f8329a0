"""Panes to verdicts: policy, windows, alarms, learning, `Monitor`, and replay of the past.

It imports `arrays`, `counting`, `data`, `errors`, `nearest`, `profile`, `protocol`, `report`, `stats`,
`telling`; from outside `numpy`.
Pure; times come in as panes.
"""
