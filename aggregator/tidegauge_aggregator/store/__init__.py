"""The durable part: the store's protocol, its one thread, and the embedded store.

It imports `domain`. Bytes in, bytes out: it never imports what decodes or judges.
Everything here runs in the store's thread, except what hands work over to it (`writer`).
"""
