"""Only what the server's image has: modules of other packages are not found, wherever this process runs.

The image holds Python's own library, this program and the packages of the extra ``serving``.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any, Final

__all__ = ["Hidden", "missing_module"]

_OWN: Final = frozenset({"tidegauge", "tidegauge_serving"})
_REQUIREMENT: Final = re.compile(r"\s*(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^]]*)\])?")
_OF_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class Hidden:
    """Hides the modules that an image with some more modules lacks, from now on.

    Parameters
    ----------
    also
        Top-level modules that the image has beside its own; with them come the packages that they require.
    """

    def __init__(self, also: Iterable[str]) -> None:
        self._known = _modules(also)
        self.names: set[str] = set()

    def install(self) -> None:
        """Put this before the finders of modules; what is imported already stays."""
        sys.meta_path[:] = [_Without(each, self) for each in sys.meta_path]

    def lacks(self, module: str) -> bool:
        """Return whether the image lacks a module; remembers it if so."""
        top = module.partition(".")[0]
        if top in self._known or top.startswith("_sysconfigdata"):
            return False
        self.names.add(top)
        return True


class _Without:
    """A finder of modules that does not find some: None in `sys.modules` would mislead libraries."""

    def __init__(self, finder: Any, hidden: Hidden) -> None:
        self._finder = finder
        self._hidden = hidden

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Find a module unless it is hidden."""
        if self._hidden.lacks(fullname):
            return None
        return self._finder.find_spec(fullname, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def missing_module(error: BaseException, hidden: Hidden) -> str | None:
    """Return the hidden module for want of which an error was raised; None if that was not the reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ImportError) and cause.name:
            top = cause.name.partition(".")[0]
            return top if top in hidden.names else None
        cause = cause.__cause__ or cause.__context__
    return None


def _modules(also: Iterable[str]) -> frozenset[str]:
    """Names of the top-level modules that may be found."""
    of_module = packages_distributions()
    packages: set[tuple[str, str]] = set()
    _add_required("tidegauge", "serving", packages)
    for module in also:
        for package in of_module.get(module, ()):
            _add_required(package, "", packages)
    held = {name for name, _ in packages}
    found = {module for module, names in of_module.items() if held & {_plain(name) for name in names}}
    return _OWN | sys.stdlib_module_names | set(also) | found


def _add_required(package: str, extra: str, found: set[tuple[str, str]]) -> None:
    """Add a package with all that it requires. Of markers, only those of extras are read."""
    name = _plain(package)
    if (name, extra) in found:
        return
    found.add((name, extra))
    try:
        lines = requires(name) or ()
    except PackageNotFoundError:  # required elsewhere, on another system or Python
        return
    for line in lines:
        of_extra = _OF_EXTRA.search(line)
        required = _REQUIREMENT.match(line)
        if required is not None and (of_extra is None or of_extra[1] == extra):
            for wanted in ("", *filter(None, map(str.strip, (required["extras"] or "").split(",")))):
                _add_required(required["name"], wanted, found)


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
