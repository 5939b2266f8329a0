"""The aggregator's rules, pure: accounts, the ledger, sums of panes, when a pane is due.

It imports of the library `counting`, `monitor`, `profile`, `protocol`, `stats`; from outside `numpy`. No
clock, no thread, no network, no file.
Any thread may call it; every store and every server of ours would share it.
"""
