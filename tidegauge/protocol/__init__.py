"""Shared formats of the programs: names, panes, the log of rows, bundles, types of columns.

It imports `errors`, `telling`.
Pure, save for the log of rows, which reads and writes the files that it is given.
"""
