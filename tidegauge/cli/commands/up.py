"""Options of ``tidegauge up``."""

from pathlib import Path
from typing import Any

import click

from tidegauge.cli.failure import Failure, needs_extra
from tidegauge.cli.options import Duration, Number, existing_file, existing_folder
from tidegauge.kit import kinds
from tidegauge.protocol.names import AGGREGATOR_PORT, PANE_SECONDS, SERVING_PORT


@click.command(name="up", short_help="Run a model with its monitor on this machine.")
@click.argument("bundle", required=False, type=existing_folder)
@click.option(
    "-f",
    "--file",
    "document",
    type=existing_file,
    help="YAML of a DriftMonitoredModel. A relative storageUri starts from its folder.",
)
@click.option(
    "--replicas",
    type=Number(kinds.whole(1, 64)),
    help="Pods to run, at most 64.  [default: as in the file, or 1]",
)
@click.option(
    "--port",
    type=Number(kinds.port),
    default=SERVING_PORT,
    help="Front port that all replicas share; 0 is any free one.",
)
@click.option(
    "--aggregator-port",
    type=Number(kinds.port),
    default=AGGREGATOR_PORT,
    help="Port of the aggregator, further shards take the next ones; 0 is any free one.",
)
@click.option(
    "--pane",
    "--pane-seconds",
    "pane_seconds",
    type=Duration(least=1, most=3600, whole=True),
    default=f"{PANE_SECONDS}s",
    help="Length of a pane, in whole seconds.",
)
@click.option(
    "--trusted-type",
    "trusted_types",
    metavar="TYPE",
    multiple=True,
    help="A type that a skops model may hold. May be given several times.  [default: as in the file]",
)
@click.option("--allow-pickle", is_flag=True, help="Load a joblib model, which runs what its file says.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for logs, the aggregator's data and stack.json; it stays.  [default: a temporary one]",
)
def command(**given: Any) -> None:
    """Run a model's pods and aggregator as local processes until Ctrl-C.

    BUNDLE is a folder that `tidegauge pack` made. With -f the model's settings come from a
    DriftMonitoredModel, and BUNDLE, if given, takes the place of its storageUri and profileUri.

    The same programs as in the cluster. What dies is started again, as the kubelet would do it.
    """
    if given["bundle"] is None and given["document"] is None:
        raise Failure("say what to run: the folder of a bundle (`tidegauge pack` makes one), or -f YAML")
    with needs_extra("local"):
        from tidegauge.cli.up import run
    run(**given)
