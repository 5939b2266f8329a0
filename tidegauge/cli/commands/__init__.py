"""Each command's name, options and help, with nothing but click: help never waits for what a command needs.

What a command does stands in `tidegauge.cli.NAME` and is imported when the command runs.
"""
