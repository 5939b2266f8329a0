"""One form in which a model can be packed."""

from dataclasses import dataclass

__all__ = ["Form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A packed model.

    Parameters
    ----------
    format
        One of `tidegauge.protocol.bundle.FORMATS`.
    file
        Name of the artefact in the bundle.
    data
        Its bytes.
    dtype
        Serving dtype of numeric features, ``float32`` or ``float64``.
    frame
        Whether it is asked with a pandas frame.
    """

    format: str
    file: str
    data: bytes
    dtype: str
    frame: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules that the server needs for it in addition to those of its image."""
        library = (self.format,) if self.format in ("xgboost", "lightgbm") else ()
        return (*library, "pandas") if self.frame else library
