"""The program's settings; `docs/settings.md` describes each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tidegauge.__about__ import __version__
from tidegauge.kit import kinds
from tidegauge.kit.command_line import read_settings
from tidegauge.kit.settings import (
    CommonSettings,
    host_setting,
    log_format_setting,
    port_setting,
    setting,
    table,
)
from tidegauge.protocol.names import Env
from tidegauge_operator.children.inputs import Images

__all__ = ["PROGRAM", "Settings", "parse_settings"]

PORT: Final = 8082
PROGRAM: Final = "tidegauge-operator"
_seconds = kinds.seconds("a number above 0", lambda seconds: seconds > 0)


def _image_of(program: str) -> str:
    return f"localhost/tidegauge/{program}:{__version__}"


@table
class Settings(CommonSettings):
    """How one operator runs."""

    namespaces: tuple[str, ...] = setting(
        Env.NAMESPACES,
        kinds.names,
        "namespaces that it serves, by commas; all if not set",
        unit="names",
        default="",
    )
    kubeconfig: Path | None = setting(
        Env.KUBECONFIG,
        kinds.path,
        "kubeconfig file; not needed in a pod of the cluster",
        unit="path",
        default="",
    )
    serving_image: str = setting(
        Env.SERVING_IMAGE, kinds.text, "image of the model server", unit="image", default=_image_of("serving")
    )
    sidecar_image: str = setting(
        Env.SIDECAR_IMAGE,
        kinds.text,
        "image of the drift sidecar",
        unit="image",
        default=_image_of("drift-sidecar"),
    )
    aggregator_image: str = setting(
        Env.AGGREGATOR_IMAGE,
        kinds.text,
        "image of the aggregator",
        unit="image",
        default=_image_of("aggregator"),
    )
    pull_secrets: tuple[str, ...] = setting(
        Env.PULL_SECRETS,
        kinds.names,
        "Secrets in the models' namespaces that images are pulled with, by commas",
        unit="names",
        default="",
    )
    report_seconds: float = setting(
        Env.REPORT_SECONDS, _seconds, "how often it asks the aggregators", unit="duration", default="15s"
    )
    docs_url: str = setting(
        Env.DOCS_URL, kinds.text, "where docs/ can be read, for links in alerts", unit="url", default=""
    )
    identity: str = setting(
        Env.POD, kinds.text, "name of its pod, for Events", unit="name", default="tidegauge-operator"
    )
    host: str = host_setting(default="127.0.0.1")
    port: int = port_setting(default=str(PORT))
    log_format: str = log_format_setting(default="json")

    @property
    def images(self) -> Images:
        """The images of the programs that the operator starts."""
        return Images(
            serving=self.serving_image,
            sidecar=self.sidecar_image,
            aggregator=self.aggregator_image,
            pull_secrets=self.pull_secrets,
        )


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment; end with a line for each mistake."""
    about = "Keep every DriftMonitoredModel as its spec says."
    return read_settings(Settings, PROGRAM, about, arguments, environment)
