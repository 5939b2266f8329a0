"""Why a tier cannot run on this machine."""


class Unavailable(Exception):
    """The machine lacks what a tier needs; the message says what, for the table of tiers."""
