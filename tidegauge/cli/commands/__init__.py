"""Each command's name, options and help, with nothing but click: help never waits for what a command needs.

A command's own code is in `tidegauge.cli.NAME` and is imported when the command runs.
"""
