"""Everything computed from counts: monitors, windows rebuilt from stored bytes, merged panes.

It imports `domain`; of the library `arrays`, `counting`, `errors`, `monitor`, `profile`, `protocol`,
`report`, `stats`; from outside `numpy`. No store and no event loop: bytes and values in, values out.
Everything here runs in the evaluator's thread.
"""
