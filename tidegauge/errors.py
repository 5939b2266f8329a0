"""Every error Tidegauge raises on purpose, in one tree.

::

    TidegaugeError
    ├── ProfileError       a profile cannot be built, read or used as asked
    │   ├── ProfileMismatch    counts or panes of two different profiles met
    │   └── DataNotFound       a file of rows is not there (a FileNotFoundError too)
    ├── SchemaError        rows do not have the features the profile names
    ├── PolicyError        an alarm policy that cannot be kept
    ├── WireError          bytes that are not what they claim to be
    ├── BundleError        a packed model that is not what it says
    │   └── StorageError       a bundle cannot be read from its address
    └── ResourceError      a DriftMonitoredModel document that breaks a rule

A message names the offending value, the rule it broke and, where there is one, the next step. These are
fields of the error too: so a command line writes ``--exclude id`` where Python writes ``exclude=['id']``.
The ``argument`` may also be a field of a document (``features[0].missing``), or ``rows`` with a column as
key.
"""

from collections.abc import Callable, Sequence
from typing import Self

from tidegauge.telling import NOT_GIVEN, Argument, Words, joined

__all__ = [
    "BundleError",
    "DataNotFound",
    "PolicyError",
    "ProfileError",
    "ProfileMismatch",
    "ResourceError",
    "SchemaError",
    "StorageError",
    "TidegaugeError",
    "TidegaugeWarning",
    "WireError",
]


class _Explained(Exception):
    """A message with its parts.

    Parameters
    ----------
    rule
        What is wrong, or what must be: the whole sentence where no argument is at fault.
    argument
        What is at fault: an argument's name, or itself where its value is shown as code. A field of a
        document or a column comes with its own words (`telling.found`). Empty where nothing is.
    keys
        The part of a mapping that is at fault.
    value
        What was given for it.
    step
        What to do next; empty where the rule says it.
    where
        The file that the message is about, put in front of it.
    """

    def __init__(
        self,
        rule: Words = "",
        *,
        argument: str | Argument = "",
        keys: tuple[str, ...] = (),
        value: object = NOT_GIVEN,
        step: Words = "",
        where: str = "",
    ) -> None:
        if isinstance(argument, str):
            argument = Argument(argument, value, keys, wrong=True)
        self.argument, self.keys, self.value = argument.name, argument.keys, argument.value
        self.rule, self.step, self.where = rule, step, where
        self._subject = argument
        super().__init__(self.worded())

    def worded(self, name: Callable[[Argument], str] = str) -> str:
        """Return the message, with each argument as `name` writes it.

        Parameters
        ----------
        name
            Writes an argument; as in Python by default.
        """
        text = joined(self.rule, name)
        if self.argument:
            text = f"{name(self._subject)}: {text}"
        if self.step:  # one colon a sentence
            text += ("; " if ": " in text else ": ") + joined(self.step, name)
        return f"{self.where}: {text}" if self.where else text

    def located(self, where: object) -> Self:
        """Return the same message about a file; what names a place already keeps it."""
        if self.where:
            return self
        return type(self)(self.rule, argument=self._subject, step=self.step, where=str(where))

    def advised(self, step: Words) -> Self:
        """Return the same message with another step."""
        return type(self)(self.rule, argument=self._subject, step=step, where=self.where)


class TidegaugeError(_Explained, ValueError):
    """Base of all errors below; a `ValueError`, since each means a value broke a stated rule.

    Attributes
    ----------
    argument, keys, value
        What was given, and for what: an argument of the call, a field of a document or message
        (``features[0].name``), or a column of the rows. Empty and `NOT_GIVEN` where it is none of these.
    rule, step
        What it must be, and what to do next: text, or parts of it between arguments.
    where
        The file that is meant, or empty.
    """


class TidegaugeWarning(_Explained, UserWarning):
    """A warning with the same parts."""


class ProfileError(TidegaugeError):
    """A profile cannot be built, read or used as asked."""


class ProfileMismatch(ProfileError):
    """Counts or panes of two different profiles met; adding them would mean nothing."""


class DataNotFound(ProfileError, FileNotFoundError):
    """A file of rows is not there."""


class SchemaError(TidegaugeError):
    """Rows do not have the features, types or shape that the profile names."""


class PolicyError(TidegaugeError):
    """An alarm policy whose numbers contradict each other or cannot be kept."""


class WireError(TidegaugeError):
    """Bytes (a pane, counts, a log segment) that are torn, too large or not what they claim to be."""


class BundleError(TidegaugeError):
    """A packed model that is not what its manifest says, or that may not be loaded."""


class StorageError(BundleError):
    """A bundle cannot be read from its address: not there, not reached, or not allowed."""


class ResourceError(TidegaugeError):
    """A DriftMonitoredModel document that breaks a rule of its schema.

    Attributes
    ----------
    mistakes
        Where there are several: each as an error of its own, with the field's path as its argument.
    """

    mistakes: tuple["ResourceError", ...] = ()

    @classmethod
    def of(cls, mistakes: Sequence["ResourceError"]) -> "ResourceError":
        """Return the one mistake as it is, several as one message with numbers: a message is one line."""
        if len(mistakes) == 1:
            return mistakes[0]
        listed = "; ".join(f"({number}) {each}" for number, each in enumerate(mistakes, 1))
        error = cls(f"{len(mistakes)} mistakes: {listed}")
        error.mistakes = tuple(mistakes)
        return error

    def located(self, where: object) -> "ResourceError":
        """Return the same message about a file, with the same mistakes."""
        error = super().located(where)
        error.mistakes = self.mistakes
        return error
