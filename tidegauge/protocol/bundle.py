"""A bundle: the folder that `storageUri` points to, and the manifest that says what is in it.

Standard library only: `tidegauge.pack` writes with it, the storage initializer and the server read with it,
so that both mean the same by every field. `docs/bundle-format.md` is the same for other languages.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, Self

from tidegauge.errors import BundleError
from tidegauge.protocol.coercion import TYPES_OF_KIND, ColumnType, Label, default_type
from tidegauge.protocol.names import BUNDLE_SCHEMA, MANIFEST_FILE
from tidegauge.telling import found, told

__all__ = [
    "FORMATS",
    "MAX_MANIFEST_BYTES",
    "Feature",
    "Label",
    "Manifest",
    "ModelFile",
    "Prediction",
    "ProfileFile",
    "check_name",
    "file_sha256",
]

FORMATS: Final = ("onnx", "skops", "joblib", "xgboost", "lightgbm")
MAX_MANIFEST_BYTES: Final = 16 << 20
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """The model's artefact.

    Parameters
    ----------
    format
        One of `FORMATS`; only ``joblib`` can run code while it is loaded.
    file
        Its name in the bundle's folder.
    sha256
        Of its bytes, 64 hexadecimal digits.
    max_relative_difference
        Largest ``|packed - original| / max(|original|, mean |original|)`` over the training rows; 0 for
        labels, which are equal or the model is not packed in that format. None if nothing was compared.
    trusted_types
        For skops: the types beyond its own defaults that the artefact needs. For information: a server takes
        its list of trusted types from its own settings, never from a file it is about to load.
    classes
        For classifiers: the labels in the order of the model's `classes_`; empty for regressors.
    probability
        Whether class probabilities are served: only if they were compared with the original's. None if
        nothing was compared; then a classifier's are served.
    max_probability_difference
        Largest difference of a class probability from the original's; None where none is served.
    frame
        Whether the model is asked with a pandas frame, so that the server needs pandas. None if unknown.
    modules
        Modules of Python that the model needs and the server's image lacks, as packing found.
    """

    format: str
    file: str
    sha256: str
    max_relative_difference: float | None = None
    trusted_types: tuple[str, ...] = ()
    classes: tuple[Label, ...] = ()
    probability: bool | None = None
    max_probability_difference: float | None = None
    frame: bool | None = None
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.format in FORMATS, "model.format", self.format, f"one of {', '.join(FORMATS)}")
        _require_file(self.file, self.sha256, "model")

    @property
    def answers_probability(self) -> bool:
        """Whether a server may answer class probabilities."""
        return bool(self.classes) if self.probability is None else self.probability


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFile:
    """The reference profile: its file, the file's sha256, and the profile's own hash."""

    file: str
    sha256: str
    hash: str

    def __post_init__(self) -> None:
        _require_file(self.file, self.sha256, "profile")
        _require(_SHA256.fullmatch(self.hash), "profile.hash", self.hash, "64 hexadecimal digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of a request, in the model's order.

    Parameters
    ----------
    name
        Its name.
    kind
        How it is monitored.
    dtype
        The profile's serving dtype.
    type
        What it was in the training data, which says what values are taken (`tidegauge.protocol.coercion`).
    categories
        Of a category column: its categories in the training data's order, which is the order of their codes.
    accepts_missing
        Whether a request may leave the value out, as packing found; None if unknown.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    dtype: str
    type: ColumnType
    categories: tuple[Label, ...] = ()
    accepts_missing: bool | None = None

    def __post_init__(self) -> None:
        _require(self.name, "features.name", self.name, "a name")
        _require_kind(self.kind, "features.kind")
        types = TYPES_OF_KIND[self.kind]
        _require(self.type in types, "features.type", self.type, f"one of {', '.join(types)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The model's answer for one row."""

    kind: Literal["numeric", "categorical"]
    dtype: str

    def __post_init__(self) -> None:
        _require_kind(self.kind, "prediction.kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that a bundle says of itself.

    Parameters
    ----------
    name
        The model's name, a DNS label.
    created
        When it was packed, RFC 3339 in UTC.
    model, profile
        The two files beside the manifest.
    features
        Columns of a request in the model's order.
    prediction
        What the model answers.
    example
        A request that the model answers: ``{"features": {name: value}}``, a row of the training data.
    versions
        Of the packages that made the bundle.
    """

    name: str
    created: str
    model: ModelFile
    profile: ProfileFile
    features: tuple[Feature, ...]
    prediction: Prediction
    example: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        names = [feature.name for feature in self.features]
        _require(names and len(names) == len(set(names)), "features", names, "at least one, each name once")

    def to_json(self) -> str:
        """Return the document's text: sorted keys, so that equal manifests are equal bytes."""
        document = {"schema": BUNDLE_SCHEMA, **asdict(self)}
        return json.dumps(document, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read the document; raises `BundleError` naming the field that breaks a rule."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise BundleError(f"{MANIFEST_FILE} cannot be read as JSON: {error}") from error
        schema = document.get("schema") if isinstance(document, dict) else None
        _require(schema == BUNDLE_SCHEMA, "schema", schema, BUNDLE_SCHEMA)
        top = _take(document, "", _TOP)
        return cls(
            name=top["name"],
            created=top["created"],
            model=ModelFile(**_tuples(_take(top["model"], "model.", _MODEL, _MODEL_ADDED))),
            profile=ProfileFile(**_take(top["profile"], "profile.", _PROFILE)),
            features=tuple(_feature(each) for each in top["features"]),
            prediction=Prediction(**_take(top["prediction"], "prediction.", _PREDICTION)),
            example=top["example"],
            versions=top["versions"],
        )

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a bundle folder's manifest; raises `BundleError` if it is not there or not one."""
        path = Path(folder) / MANIFEST_FILE
        try:
            with path.open("rb") as file:
                text = file.read(MAX_MANIFEST_BYTES + 1)
        except OSError as error:
            raise BundleError(
                f"{path} cannot be read ({error.strerror}): a bundle is a folder made by `tidegauge pack`"
            ) from error
        if len(text) > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path} is longer than {MAX_MANIFEST_BYTES} bytes: not a manifest")
        return cls.from_json(text)

    def verify(self, folder: Path | str) -> None:
        """Check that both files are there with the bytes the manifest names; raises `BundleError` if not."""
        for part, described in (("model", self.model), ("profile", self.profile)):
            path = Path(folder) / described.file
            try:
                found = file_sha256(path)
            except OSError as error:
                raise BundleError(f"the {part} file {path} cannot be read: {error.strerror}") from error
            if found != described.sha256:
                raise BundleError(
                    f"the {part} file {path} has sha256 {found}, the manifest says {described.sha256}: "
                    "it was changed after packing, or torn on the way; pack or copy it again"
                )


def file_sha256(path: Path | str) -> str:
    """Return Sha256 of a file's bytes, as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_Types = type | tuple[type, ...]
_TOP: Final[dict[str, _Types]] = {
    **dict.fromkeys(("name", "created"), str),
    **dict.fromkeys(("model", "profile", "prediction", "example", "versions"), dict),
    "features": list,
}
_MODEL: Final[dict[str, _Types]] = {
    **dict.fromkeys(("format", "file", "sha256"), str),
    "max_relative_difference": (float, int, NoneType),
    **dict.fromkeys(("trusted_types", "classes"), list),
}
_PROFILE: Final[dict[str, _Types]] = dict.fromkeys(("file", "sha256", "hash"), str)
_MODEL_ADDED: Final[dict[str, _Types]] = {
    **dict.fromkeys(("probability", "frame"), (bool, NoneType)),
    "max_probability_difference": (float, int, NoneType),
    "modules": list,
}
_FEATURE: Final[dict[str, _Types]] = dict.fromkeys(("name", "kind", "dtype"), str)
_TYPED_FEATURE: Final[dict[str, _Types]] = {**_FEATURE, "type": str, "categories": list}
_FEATURE_ADDED: Final[dict[str, _Types]] = {"accepts_missing": (bool, NoneType)}
_PREDICTION: Final[dict[str, _Types]] = dict.fromkeys(("kind", "dtype"), str)


_NONE_ADDED: Final[dict[str, _Types]] = {}


def _take(
    document: object, prefix: str, types: dict[str, _Types], added: dict[str, _Types] = _NONE_ADDED
) -> dict[str, Any]:
    """The named fields, each of its type; those `added` later may be absent.

    Others are left out: a later minor version may add some.
    """
    _require(isinstance(document, dict), prefix.rstrip("."), document, "an object")
    assert isinstance(document, dict)  # for the type checker
    for name in types:
        _require(name in document, prefix + name, None, "present")
    found = {name: kind for name, kind in (types | added).items() if name in document}
    for name, kind in found.items():
        _require(isinstance(document[name], kind), prefix + name, document[name], f"of type {kind}")
    return {name: document[name] for name in found}


def _feature(document: object) -> Feature:
    """One column; bundles made before types were kept have kinds only."""
    if isinstance(document, dict) and "type" in document:
        return Feature(**_tuples(_take(document, "features.", _TYPED_FEATURE, _FEATURE_ADDED)))
    fields = _take(document, "features.", _FEATURE)
    return Feature(**fields, type=default_type(fields["kind"]))


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def check_name(name: str) -> None:
    """Raise a `BundleError` unless `name` can be a model's."""
    _require(_DNS_LABEL.fullmatch(name), "name", name, "a DNS label: a-z 0-9 -, at most 63")


def _require_file(file: str, sha256: str, part: str) -> None:
    """A file of a bundle is in its folder: a name with a path could reach any file of the machine."""
    _require(_PLAIN_NAME.fullmatch(file), f"{part}.file", file, "a plain file name")
    _require(_SHA256.fullmatch(sha256), f"{part}.sha256", sha256, "64 hexadecimal digits")


def _require_kind(kind: str, name: str) -> None:
    _require(kind in ("numeric", "categorical"), name, kind, "numeric or categorical")


def _require(holds: object, name: str, value: object, rule: str) -> None:
    if not holds:
        said = found(name, value, f"a bundle's manifest with {name}={told(value)}")
        raise BundleError(f"it must be {rule}", argument=said)
