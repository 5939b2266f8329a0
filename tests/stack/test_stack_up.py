"""`tidegauge up` as a user runs it: from the YAML to the verdict, and a clean end."""

import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from support.command_line import assert_one_line_error, tidegauge
from support.examples import EXAMPLES
from support.local_stack import DOCUMENT, Aggregator, LocalStack
from support.serving_bundles import house_bundle
from support.stub_server import stub_server
from support.waiting import wait_for

from tidegauge.errors import ResourceError
from tidegauge.local.demo import STOP_SECONDS
from tidegauge.local.network import listen, unhealthy
from tidegauge.local.plan import local_path, profile_path, with_bundle
from tidegauge.local.state import STATE_FILE, load_state, locked
from tidegauge.resource import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return house_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def stack(tmp_path_factory, bundle):
    with LocalStack(tmp_path_factory.mktemp("stack"), bundle, replicas=2, shards=2) as stack:
        yield stack


def test_a_stack_of_two_shards_goes_from_rows_to_a_verdict(stack, bundle):
    sent = tidegauge(
        "simulate", "--profile", bundle, "--dir", stack.folder, "--rows", 2000, "--scenario", "high"
    )
    assert "answered 2,000  failed 0" in sent.stdout
    assert tidegauge("report", "--dir", stack.folder, "--wait", "Drifting", "--timeout", 60).exit_code == 0
    wait_for(lambda: counted(stack) == 2000, "every row in the report")
    assert document(stack)["coverage"]["pods_expected"] == 2
    assert {feature["name"] for feature in document(stack)["features"]} >= {"sqft", "age", "prediction"}


def read(stack: LocalStack) -> str:
    return stack.output.read_text()


def document(stack: LocalStack) -> dict:
    return json.loads(tidegauge("report", "--dir", stack.folder, "--json").stdout)


def counted(stack: LocalStack) -> int:
    return document(stack)["coverage"]["rows_counted"]


def test_every_process_is_in_the_table_and_in_the_state_file(stack):
    printed = stack.output.read_text()
    processes = stack.state.processes
    assert [p.role for p in processes].count("server") == 2
    assert [p.role for p in processes].count("aggregator") == 2
    assert all(p.name in printed and str(p.pid) in printed and str(p.port) in printed for p in processes)
    assert all(Path(p.log_file).exists() for p in processes)
    assert "Ready: house-prices answers at" in printed


def test_each_replica_answers_on_its_own_port_too(stack):
    for process in stack.processes("server"):
        with urllib.request.urlopen(
            f"http://127.0.0.1:{process.port}/v2/models/house-prices", timeout=10
        ) as answer:
            assert json.loads(answer.read())["name"] == "house-prices"


def test_panes_without_the_runs_token_are_refused(stack):
    request = urllib.request.Request(
        f"{stack.state.aggregator_urls[0]}/v1/models/x/profiles/{'0' * 64}", b"{}", method="PUT"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 401


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_end_that_is_asked_for_is_clean(tmp_path, bundle, how):
    with LocalStack(tmp_path, bundle, replicas=1) as stack:
        started = stack.descendants()
        assert len(started) >= 3
        stack.process.send_signal(how)
        assert stack.process.wait(60) == 0, stack.logs()
        assert psutil.wait_procs(started, timeout=5)[1] == []
        assert not (stack.folder / "pods").exists(), "a pod's log folder goes with its pod"
        assert stack.output.read_text().endswith("Stopped.\n")


def test_a_parent_killed_with_9_leaves_nothing_running_and_the_next_one_counts_what_was_left(
    tmp_path, bundle
):
    with LocalStack(tmp_path, bundle, replicas=1) as stack:
        started = stack.descendants()
        tidegauge("simulate", "--profile", bundle, "--dir", stack.folder, "--rows", 300)
        stack.process.kill()
        stack.process.wait(10)
        assert psutil.wait_procs(started, timeout=10)[1] == []
    with LocalStack(tmp_path, bundle, replicas=1) as again:
        wait_for(lambda: again.rows_counted() >= 300, "the rows of the run before")
        assert again.stop() == 0
        with Aggregator(again.folder / "aggregator-0") as aggregator:
            assert (aggregator.rows_counted(), aggregator.rows_lost()) == (300, {})


def test_a_bundle_that_cannot_be_served_is_told_on_the_screen(tmp_path, bundle):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in bundle.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.onnx").write_bytes(b"not a model")
    stack = LocalStack(tmp_path, broken, replicas=1)
    try:
        said = wait_for(
            lambda: re.search(r"house-prices-0-server is not ready: .*sha256.*", read(stack)), "why", 60
        )
        assert "model.onnx" in said[0]
    finally:
        stack.kill()


def test_an_address_is_no_bundle_of_this_machine_and_a_folder_takes_its_place(bundle, tmp_path):
    document = tmp_path / "dmm.yaml"
    document.write_text((EXAMPLES / "house-prices/dmm.yaml").read_text())
    refused = tidegauge("up", "-f", document)
    assert refused.exit_code == 2
    assert "pvc://bundles/house-prices-1" in refused.stderr
    assert "tidegauge up BUNDLE -f YAML" in refused.stderr
    elsewhere = load(document.read_bytes())
    elsewhere.spec.drift.profile_uri = "s3://profiles/3.json"
    here = with_bundle(elsewhere, bundle)
    assert local_path(here.spec.model.storage_uri, tmp_path) == bundle
    assert profile_path(here, bundle, tmp_path) == bundle / "profile.json"


def test_a_port_that_is_taken_is_one_line(stack, tmp_path):
    document = tmp_path / "dmm.yaml"
    document.write_text((stack.folder.parent / "dmm.yaml").read_text())
    taken = tidegauge("up", "-f", document, "--port", stack.state.url.rsplit(":", 1)[1])
    assert taken.exit_code == 2
    assert "choose another with --port, or 0 for any" in taken.stderr


def test_a_taken_port_of_an_aggregator_is_refused_before_anything_starts(bundle, tmp_path):
    document = tmp_path / "dmm.yaml"
    document.write_text(DOCUMENT.format(bundle=bundle, log_size="1Mi", shards=3))
    with listen(0) as front, listen(0) as foreign:
        port = foreign.getsockname()[1]
        for first in (port, port - 2):
            arguments = ("--port", 0, "--aggregator-port", first, "--dir", tmp_path / "stack")
            refused = tidegauge("up", "-f", document, *arguments)
            assert_one_line_error(refused, f"port {port}: it cannot be used", "--aggregator-port")
        same = front.getsockname()[1]
        front.close()
        refused = tidegauge("up", bundle, "--port", same, "--aggregator-port", same)
        assert_one_line_error(refused, f"port {same}: it cannot be used", "--aggregator-port")
    assert not (tmp_path / "stack/logs").exists()


def test_every_program_says_which_stack_it_is_of(stack):
    paths = {"server": "/readyz", "sidecar": "/healthz", "aggregator": "/readyz"}
    for process in stack.state.processes:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}{paths[process.role]}") as answer:
            assert json.loads(answer.read())["stack"] == stack.state.id
    assert document(stack)["verdict"]


def test_the_report_of_another_stack_is_refused(stack, tmp_path):
    """A folder whose addresses have gone to another stack, as after a change of ports."""
    replace(stack.state, id="of another run").save(tmp_path)
    with locked(tmp_path):
        refused = tidegauge("report", "--dir", tmp_path)
    assert_one_line_error(refused, stack.state.aggregator_urls[0], "not of this stack")


def test_a_stack_that_has_ended_is_said_not_to_run(stack, tmp_path):
    stack.state.save(tmp_path)
    for command in (["report"], ["report", "--wait", "Stable", "--timeout", 1], ["simulate"]):
        refused = tidegauge(*command, "--dir", tmp_path)
        assert_one_line_error(refused, "this stack is not running", "tidegauge up", str(tmp_path))


def test_what_is_not_of_the_stack_is_not_well(stack):
    aggregator = stack.processes("aggregator")[0]
    assert unhealthy(aggregator.port, "/readyz", stack=stack.state.id) is None
    with pytest.raises(ResourceError, match="not of this stack"):
        unhealthy(aggregator.port, "/readyz", stack="another")
    with stub_server(lambda *_: (200, b"<html>")) as url, pytest.raises(ResourceError, match="not of this"):
        unhealthy(int(url.rpartition(":")[2]), "/readyz", stack=stack.state.id)


def test_two_stacks_in_one_folder_are_refused(stack):
    again = tidegauge("up", "-f", stack.folder.parent / "dmm.yaml", "--port", 0, "--dir", stack.folder)
    assert again.exit_code == 2
    assert "another stack runs in this folder" in again.stderr


def commands_of_the_readme() -> list[list[str]]:
    section = (ROOT / "README.md").read_text().partition("## From a model to a verdict\n")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def test_the_readmes_way_from_a_model_to_a_verdict_can_be_gone(tmp_path):
    def words(command: list[str]) -> list[str]:
        tools = {"python": [sys.executable], "tidegauge": [sys.executable, "-m", "tidegauge"]}
        return [*tools[command[0]], *(str(tmp_path) if word == "stack" else word for word in command[1:])]

    build, up, simulate, report = (words(command) for command in commands_of_the_readme())
    subprocess.run(build, cwd=ROOT, check=True, timeout=120)
    any_ports = ["--port", "0", "--aggregator-port", "0"]  # another test may have the usual ones
    with subprocess.Popen([*up, *any_ports], cwd=ROOT, stdout=subprocess.PIPE, text=True) as stack:
        try:
            wait_for(lambda: (tmp_path / STATE_FILE).exists() and load_state(tmp_path).ready, "ready", 90)
            subprocess.run(simulate, cwd=ROOT, check=True, timeout=120)
            waited = subprocess.run(report, cwd=ROOT, capture_output=True, text=True, timeout=120)
            bare = subprocess.run(report[: report.index("--wait")], cwd=ROOT, timeout=60, check=False)
        finally:
            stack.send_signal(signal.SIGINT)
            printed, _ = stack.communicate(timeout=60)
    assert waited.returncode == 0, waited.stdout + waited.stderr
    assert "house-prices: Drifting" in waited.stdout
    assert bare.returncode == 3
    assert f"tidegauge simulate --dir {tmp_path} --scenario high" in printed
    assert f"tidegauge report --dir {tmp_path}" in printed


def test_a_demo_that_is_told_to_end_ends_its_stack():
    with subprocess.Popen(
        [sys.executable, "-m", "tidegauge.local.demo"], cwd=ROOT, stdout=subprocess.DEVNULL
    ) as demo:
        try:
            started = wait_for(lambda: a_whole_stack(psutil.Process(demo.pid)), "the demo's stack", 120)
        finally:
            demo.terminate()
        code = demo.wait(STOP_SECONDS)
    left = psutil.wait_procs(started, timeout=10)[1]
    for process in left:
        process.kill()
    assert (code, left) == (128 + signal.SIGTERM, [])


def a_whole_stack(demo: psutil.Process) -> list[psutil.Process]:
    """The demo's descendants once there are `up`, its guard, 3 servers, 3 sidecars and an aggregator."""
    found = demo.children(recursive=True)
    return found if len(found) >= 9 else []


def test_the_demo_shows_stable_then_drifting():
    demo = subprocess.run(
        [sys.executable, "-m", "tidegauge.local.demo"], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.index("house-prices: Stable") < demo.stdout.index("house-prices: Drifting")
    assert "rows answered 9,000 = rows counted 9,000 + rows lost 0" in demo.stdout
