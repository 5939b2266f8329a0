"""Each command's name, options and help, with nothing but click: help never waits for what a command needs.

It imports `cli`, `kit`, `protocol`; from outside `click`. A command's own code is in `tidegauge.cli.NAME`
and is imported when the command runs.
Pure: it says what there is, and runs nothing.
"""
