"""The statistics, one a file: the formula with its source, the plug, a worked example.

It imports `stats` outside this folder and what is below; no file imports another one here.
Pure.
"""
