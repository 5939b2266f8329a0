"""What a row must be: names, types and values, chunks of long lists, refusals and their words.

It imports of the library `data`, `errors`, `kit`, `nearest`, `profile`, `protocol`; from outside `msgspec`,
`numpy`.
Pure.
"""
