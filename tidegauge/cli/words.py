"""The library's messages in the words of the command line."""

import ast
import re
import shlex
from typing import Final

__all__ = ["in_options", "typed"]

_OPTIONS: Final = {
    "allow_pickle": "--allow-pickle",
    "categorical": "--categorical",
    "critical": "--critical",
    "cut_points": "--cut-points",
    "dtypes": "--float32",
    "exclude": "--exclude",
    "feature_names": "--feature",
    "false_alarms": "--false-alarms",
    "hour_of_day": "--hour-of-day",
    "model_format": "--format",
    "pane": "--pane",
    "period": "--period",
    "prediction": "--prediction",
    "rows_per_pane": "--rows-per-pane",
    "target": "--target",
    "time": "--time",
    "trusted_types": "--trusted-type",
    "warning": "--warning",
}
_QUOTED: Final = r"""(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ARGUMENT: Final = re.compile(
    rf"\b(?P<name>{'|'.join(_OPTIONS)})=(?:[\[{{]?{_QUOTED}[\]}}]?|True\b|(?P<number>-?(?:inf|\d[\w.+-]*)))?"
)
# Dictionaries, of which the key alone counts here: dtypes={'x': 'float32'}, min_effect['warning']=2.
_KEYED: Final = (
    (re.compile(r"\bdtypes=\{(.*?): 'float32'\} \(or 'float64'\)"), r"dtypes=[\1]"),
    (re.compile(r"\bmin_effect\['(\w+)'\]="), r"\1="),
    (re.compile(r"\bmin_effect: "), ""),
)


def typed(option: str, value: object) -> str:
    """An option with its value as a shell takes it: ``--exclude 'Unnamed: 0'``."""
    return f"{option} {shlex.quote(str(value))}"


def in_options(message: str) -> str:
    """A message that names arguments of Python, such as ``exclude=['id']``, with options in their place."""
    for pattern, plain in _KEYED:
        message = pattern.sub(plain, message)
    return _ARGUMENT.sub(_option, message)


def _option(found: re.Match[str]) -> str:
    option = _OPTIONS[found["name"]]
    if found["text"]:
        return typed(option, ast.literal_eval(found["text"]))
    return f"{option} {found['number']}" if found["number"] else option
