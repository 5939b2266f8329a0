"""Stored documents of earlier versions are read, those of later ones are refused with the way on."""

import json

import numpy as np
import pytest
from support.reports import a_report

from tidegauge import Monitor, Policy, Profile, Report, WireError
from tidegauge.monitor import stored
from tidegauge.protocol.names import REPORT_SCHEMA
from tidegauge.protocol.versions import brought_forward
from tidegauge.report.model import as_newest


def renamed(document):
    """A step: what was `panes_seen` is `panes`."""
    values = dict(document)
    return values | {"panes": values.pop("panes_seen")}


def doubled(document):
    return {**document, "panes": document["panes"] * 2}


STEPS = (renamed, doubled)


@pytest.mark.parametrize(
    ("version", "given", "panes"),
    [(1, {"panes_seen": 4}, 8), (2, {"panes": 4}, 8), (3, {"panes": 4}, 4)],
)
def test_a_document_goes_through_the_steps_from_its_own_version_on(version, given, panes):
    assert brought_forward(given, version, STEPS, "a state") == {"panes": panes}


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", None, True, [1]])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(WireError, match="this program reads versions 1 to 3"):
        brought_forward({}, version, STEPS, "a state")


def test_a_later_version_is_refused_with_the_way_on():
    with pytest.raises(WireError, match=r"a state is 4.*start the newer program that wrote it"):
        brought_forward({"panes": 1}, 4, STEPS, "a state")


def test_a_monitors_state_of_an_earlier_version_is_read():
    profile = Profile.fit(np.arange(50.0).reshape(25, 2), feature_names=["x", "y"])
    state = Monitor(profile, Policy()).state()
    assert stored.read(state, profile)["late_rows"] == 0
    earlier = json.loads(state)
    earlier["panes_seen"] = 3
    read = stored.read(json.dumps(earlier).encode(), profile, (renamed,))
    assert (read["panes"], read["late_rows"]) == (3, 0)


def test_a_report_of_an_earlier_version_is_read_and_of_a_later_one_refused():
    document = a_report().to_dict()
    assert Report.from_dict(document).to_dict() == document
    assert as_newest(document | {"panes_seen": 5}, (renamed,))["panes"] == 5
    later = document | {"schema": REPORT_SCHEMA.replace("v1", "v2")}
    with pytest.raises(WireError, match="start the newer program"):
        Report.from_dict(later)
    assert as_newest(later, (renamed,)) == later


@pytest.mark.parametrize("schema", ["tidegauge.io/report/", "tidegauge.io/profile/v1", "v1", 1, None])
def test_what_is_no_report_is_refused_by_its_schema(schema):
    with pytest.raises(WireError, match=f"this version reads {REPORT_SCHEMA}"):
        Report.from_dict({"schema": schema})
