"""Every error Tidegauge raises on purpose, in one tree.

::

    TidegaugeError
    ├── ProfileError       a profile cannot be built, read or used as asked
    │   ├── ProfileMismatch    counts or panes of two different profiles met
    │   └── DataNotFound       a file of rows is not there (a FileNotFoundError too)
    ├── SchemaError        rows do not have the features the profile names
    ├── PolicyError        an alarm policy that cannot be kept
    ├── WireError          bytes that are not what they claim to be
    ├── BundleError        a packed model that is not what it says
    │   └── StorageError       a bundle cannot be read from its address
    └── ResourceError      a DriftMonitoredModel document that breaks a rule

A message names the offending value, the rule it broke and, where there is one, the next step.
"""

__all__ = [
    "BundleError",
    "DataNotFound",
    "PolicyError",
    "ProfileError",
    "ProfileMismatch",
    "ResourceError",
    "SchemaError",
    "StorageError",
    "TidegaugeError",
    "WireError",
]


class TidegaugeError(ValueError):
    """Base of all errors below; a `ValueError`, since each means a value broke a stated rule."""


class ProfileError(TidegaugeError):
    """A profile cannot be built, read or used as asked."""


class ProfileMismatch(ProfileError):
    """Counts or panes of two different profiles met; adding them would mean nothing."""


class DataNotFound(ProfileError, FileNotFoundError):
    """A file of rows is not there."""


class SchemaError(TidegaugeError):
    """Rows do not have the features, types or shape that the profile names."""


class PolicyError(TidegaugeError):
    """An alarm policy whose numbers contradict each other or cannot be kept."""


class WireError(TidegaugeError):
    """Bytes (a pane, counts, a tap segment) that are torn, too large or not what they claim to be."""


class BundleError(TidegaugeError):
    """A packed model that is not what its manifest says, or that may not be loaded."""


class StorageError(BundleError):
    """A bundle cannot be read from its address: not there, not reached, or not allowed."""


class ResourceError(TidegaugeError):
    """A DriftMonitoredModel document that breaks a rule of its schema."""
