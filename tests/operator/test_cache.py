"""The state that the watches have shown, and which part of it is a change."""

from typing import Any

from tidegauge_operator.kube.cache import Cache, Key, Ref, orphan_of, owner_of
from tidegauge_operator.kube.kinds import CHILDREN, MODELS, kind_of

KEY = Key("ml", "house-prices")
OWNER = {
    "apiVersion": "tidegauge.io/v1alpha1",
    "kind": "DriftMonitoredModel",
    "name": "house-prices",
    "uid": "model-1",
    "controller": True,
}
DEPLOYMENTS = next(kind for kind in CHILDREN if kind.name == "Deployment")


def a_child(uid: str = "child-1", replicas: int = 2, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "house-prices",
            "namespace": "ml",
            "uid": uid,
            "ownerReferences": [OWNER],
            **metadata,
        },
        "spec": {"replicas": replicas, "template": {"much": "text"}},
        "status": {"readyReplicas": 1},
    }


def a_model(generation: int = 1, uid: str = "model-1", **metadata: Any) -> dict[str, Any]:
    named = {"name": "house-prices", "namespace": "ml", "uid": uid, "generation": generation, **metadata}
    return {"apiVersion": "tidegauge.io/v1alpha1", "kind": "DriftMonitoredModel", "metadata": named}


def test_an_object_is_its_controllers() -> None:
    assert owner_of(a_child()) == (KEY, "model-1")
    assert owner_of(a_child(ownerReferences=[{**OWNER, "controller": False}])) is None
    assert owner_of(a_child(ownerReferences=[{**OWNER, "apiVersion": "other.io/v1"}])) is None
    assert owner_of({"metadata": {"name": "x", "namespace": "ml"}}) is None


def test_a_new_object_is_news_and_the_same_again_is_not() -> None:
    cache = Cache()
    assert cache.update_child(a_child()) == (KEY, True)
    assert cache.update_child(a_child(resourceVersion="9", generation=4, managedFields=[])) == (KEY, False)


def test_a_status_is_no_edit_but_it_is_kept() -> None:
    cache = Cache()
    cache.update_child(a_child())
    assert cache.update_child({**a_child(), "status": {"readyReplicas": 2}}) == (KEY, False)
    assert cache.children(KEY)[Ref.of(a_child())].part["status"] == {"readyReplicas": 2}


def test_the_answer_to_a_write_that_comes_after_the_watch_undoes_nothing() -> None:
    cache = Cache()
    newer = a_child(resourceVersion="9") | {"status": {"readyReplicas": 2}}
    cache.update_child(newer)
    assert cache.update_child(a_child(resourceVersion="7", replicas=1)) == (KEY, False)
    assert cache.children(KEY)[Ref.of(newer)].part["status"] == {"readyReplicas": 2}
    assert cache.update_child(a_child(resourceVersion="10", replicas=1)) == (KEY, True)
    assert cache.update_child(a_child(uid="another", resourceVersion="8")) == (KEY, True), "another object"


def test_an_edit_is_an_edit_wherever_it_is() -> None:
    for edited in (
        a_child(replicas=3),
        a_child(labels={"a": "b"}),
        a_child(uid="child-2"),
    ):
        cache = Cache()
        cache.update_child(a_child())
        assert cache.update_child(edited) == (KEY, True)


def test_the_revision_that_a_controller_notes_is_no_edit() -> None:
    cache = Cache()
    cache.update_child(a_child())
    noted = a_child(annotations={"deployment.kubernetes.io/revision": "1"})
    assert cache.update_child(noted) == (KEY, False)


def test_the_bulk_of_an_object_is_not_kept() -> None:
    cache = Cache()
    cache.update_child(a_child())
    assert cache.children(KEY)[Ref.of(a_child())].part["spec"] == {"replicas": 2}


def test_an_object_that_was_made_again_is_not_lost_by_the_old_ones_end() -> None:
    cache = Cache()
    cache.update_child(a_child(uid="new"))
    assert cache.remove_child(a_child(uid="old")) == KEY
    assert Ref.of(a_child()) in cache.children(KEY)
    assert cache.remove_child(a_child(uid="new")) == KEY
    assert not cache.children(KEY)


def test_objects_that_vanished_unseen_are_found() -> None:
    cache = Cache()
    cache.update_child(a_child())
    assert cache.uids(DEPLOYMENTS) == {"child-1"}
    assert cache.remove_missing(DEPLOYMENTS, {"child-1"}) == {KEY}
    assert cache.remove_missing(DEPLOYMENTS, {"child-1"}) == set()


def test_a_models_edit_is_news_and_its_status_is_not() -> None:
    cache = Cache()
    assert cache.update_model(a_model())
    assert not cache.update_model({**a_model(), "status": {"replicas": 3}})
    assert cache.update_model(a_model(generation=2))
    assert cache.update_model(a_model(generation=2, labels={"team": "a"}))
    assert cache.update_model(a_model(generation=2, uid="model-2", labels={"team": "a"}))


def test_a_status_that_was_written_hides_no_edit() -> None:
    cache = Cache()
    cache.update_model(a_model())
    cache.update_status({**a_model(generation=2), "status": {"replicas": 3}})
    assert cache.models[KEY]["status"] == {"replicas": 3}
    assert cache.update_model(a_model(generation=2))


def test_an_event_of_before_a_status_that_was_written_does_not_undo_it() -> None:
    cache = Cache()
    cache.update_model(a_model(resourceVersion="1"))
    cache.update_status({**a_model(resourceVersion="3"), "status": {"replicas": 3}})
    assert cache.update_model({**a_model(generation=2, resourceVersion="2"), "status": {"replicas": 2}})
    assert cache.models[KEY]["status"] == {"replicas": 3}
    cache.update_model({**a_model(generation=2, resourceVersion="2"), "status": {"replicas": 2}})
    assert cache.models[KEY]["status"] == {"replicas": 3}, "however many of them there are"
    cache.update_model({**a_model(generation=2, resourceVersion="4"), "status": {"replicas": 4}})
    assert cache.models[KEY]["status"] == {"replicas": 4}


def test_a_status_of_others_is_not_undone_by_an_answer_that_comes_after_it() -> None:
    cache = Cache()
    cache.update_model({**a_model(resourceVersion="4"), "status": {"replicas": 4}})
    cache.update_status({**a_model(resourceVersion="3"), "status": {"replicas": 3}})
    assert cache.models[KEY]["status"] == {"replicas": 4}


LABELS = {"app.kubernetes.io/managed-by": "tidegauge-operator", "tidegauge.io/model": "house-prices"}


def test_an_object_that_lost_its_owner_is_lost() -> None:
    cache = Cache()
    cache.update_child(a_child(labels=LABELS))
    assert cache.update_child(a_child(labels=LABELS, ownerReferences=[])) == (KEY, True)
    assert not cache.children(KEY)
    assert cache.update_child(a_child(labels=LABELS, ownerReferences=[])) is None
    assert cache.remove_child(a_child(labels=LABELS, ownerReferences=[])) == KEY, "and missed when it goes"


def test_an_orphan_is_ours_by_both_labels_and_nobody_elses() -> None:
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "1", "controller": True}
    assert orphan_of(a_child(labels=LABELS, ownerReferences=[])) == KEY
    assert orphan_of(a_child(labels=LABELS, ownerReferences=[{**theirs, "controller": False}])) == KEY
    assert orphan_of(a_child(labels=LABELS, ownerReferences=[theirs])) is None
    for missing in LABELS:
        fewer = {name: value for name, value in LABELS.items() if name != missing}
        assert orphan_of(a_child(labels=fewer, ownerReferences=[])) is None


def test_paths_are_those_of_the_api_server() -> None:
    assert DEPLOYMENTS.path("ml", "a") == "/apis/apps/v1/namespaces/ml/deployments/a"
    assert kind_of({"apiVersion": "v1", "kind": "Secret"}).path(None) == "/api/v1/secrets"
    assert MODELS.group == "tidegauge.io"
