"""Everything computed from counts: monitors, windows rebuilt from stored bytes, merged panes.

May import `domain`; no store and no event loop: bytes and values in, values out.
Everything here runs in the evaluator's thread.
"""
