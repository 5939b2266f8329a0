"""What a row must be: names, types and values, chunks of long lists, refusals and their words.

It imports the library's `protocol`, `profile` and `data`.
Pure.
"""
