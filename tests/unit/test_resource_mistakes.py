"""All mistakes of a resource's document at once, held against msgspec's own validation."""

import copy
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bad_input import SMALLEST, merged

from tidegauge import ResourceError
from tidegauge.resource import DriftMonitoredModel, load
from tidegauge.resource.mistakes import mistakes

FULL: dict[str, Any] = merged(
    SMALLEST,
    {
        "metadata": {"labels": {"team": "a"}},
        "spec": {
            "model": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}, "trustedTypes": ["a.B"]},
            "autoscaling": {"maxReplicas": 3, "metrics": [{"type": "Resource"}]},
            "drift": {
                "perFeature": [{"name": "sqft", "minEffect": {"warning": 0.1}}],
                "capture": {"sampleRate": 0.5, "logSize": "64Mi"},
                "budget": {"falseAlarms": 1, "period": "30d"},
            },
        },
    },
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a document's values are."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


def with_value(document: Any, path: tuple[Any, ...], value: object) -> Any:
    changed = copy.deepcopy(document)
    if not path:
        return value
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def message_of(document: object) -> str:
    with pytest.raises(ResourceError) as caught:
        load(yaml.safe_dump(document))
    return str(caught.value)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**33),
    st.floats(-2, 2),
    st.sampled_from(["", "x", "64Mi", "30d", "sklearn", "s3://a/b", "X" * 300, "Retain"]),
    st.just([]),
    st.just({}),
    st.just(["x"]),
    st.just({"x": 1}),
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(paths(FULL)), value=values)
def test_a_document_has_mistakes_just_where_msgspec_refuses_it(path: tuple[Any, ...], value: object) -> None:
    document = with_value(FULL, path, value)
    try:
        msgspec.convert(document, DriftMonitoredModel)
        is_right = True
    except msgspec.ValidationError:
        is_right = False
    assert is_right == (not list(mistakes(document, DriftMonitoredModel)))


def test_three_mistakes_are_named_at_once() -> None:
    spec = {"model": {"storageUri": "s3://x/y", "allowPikle": True}, "drift": {"budgt": {}}, "replicas": -1}
    message = message_of({**SMALLEST, "spec": spec})
    assert message.startswith("3 mistakes: (1) ")
    assert "spec.model.allowPikle: no such field; did you mean allowPickle?" in message
    assert "spec.drift.budgt: no such field; did you mean budget?" in message
    assert "spec.replicas: expected a whole number >= 0, not -1" in message


def test_a_single_mistake_of_a_resource_has_no_number() -> None:
    assert message_of(with_value(FULL, ("spec", "replica"), 1)).startswith("spec.replica: no such field")


def test_mistakes_in_a_list_and_in_a_map_have_their_places() -> None:
    spec = {
        "drift": {"perFeature": [{"name": "a", "minEffect": {}}, {"name": "", "minEffect": {"warning": 7}}]},
        "model": {"resources": {"limits": {"memory": "1 GB", "speed": 1}}},
    }
    message = message_of(merged(SMALLEST, {"spec": spec}))
    assert (
        'spec.model.resources.limits.memory: expected a quantity such as 200m, 2 or 256Mi, not "1 GB"'
        in message
    )
    assert "spec.model.resources.limits.speed: expected cpu, memory" in message
    assert "spec.drift.perFeature[1].minEffect.warning: expected a number <= 1, not 7" in message
    assert 'spec.drift.perFeature[1].name: expected a text of length >= 1, not ""' in message


def test_a_missing_field_and_a_wrong_kind_are_named_together() -> None:
    message = message_of({**SMALLEST, "spec": {"model": {}, "drift": []}})
    assert "spec.model.storageUri: required, and not there" in message
    assert "spec.drift: expected a map of fields" in message


def test_another_kind_of_object_is_told_what_it_should_be() -> None:
    message = message_of({**SMALLEST, "kind": "Pod", "apiVersion": "v1"})
    assert 'kind: expected DriftMonitoredModel, not "Pod"' in message
    assert 'apiVersion: expected tidegauge.io/v1alpha1, not "v1"' in message
