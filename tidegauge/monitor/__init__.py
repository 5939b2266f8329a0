"""Panes to verdicts: policy, windows, alarms, learning, `Monitor`, and replay of the past.

It imports `stats`, `counting`, `data`, `report` and what is below them.
Pure; times come in as panes.
"""
