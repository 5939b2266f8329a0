"""The durable part: the store's protocol, its one thread, and the embedded store.

May import `domain`; never the monitor or any statistics: bytes in, bytes out.
Everything here runs in the store's thread, except what hands work over to it (`writer`).
"""
