"""The custom resource `DriftMonitoredModel`, typed: read by ``tidegauge up`` and by the operator.

It imports `errors`, `nearest`, `protocol`, `telling`; from outside `msgspec`, `yaml`.
Pure, save for the files that `load` reads.
"""

from tidegauge.resource.fields import bytes_of, seconds_of
from tidegauge.resource.loading import load
from tidegauge.resource.policy import policy_of
from tidegauge.resource.rules import broken_rules
from tidegauge.resource.schema import DriftMonitoredModel
from tidegauge.resource.stored import of_stored

__all__ = ["DriftMonitoredModel", "broken_rules", "bytes_of", "load", "of_stored", "policy_of", "seconds_of"]
