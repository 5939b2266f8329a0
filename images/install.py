"""Install into the image: ``install.py REQUIREMENT... [--without NAME...] [--import MODULE...]``.

A requirement is one for pip, a wheel, or ``.[EXTRA]`` for what `pyproject.toml` says that an extra needs.
Versions are those of `constraints.txt`. The packages' own tests go. Bytecode is made of what importing the
modules imports: the image's root is read-only when it runs, and that of everything would take 30 MB more.
What a program imports only later has to be named too, or it is compiled at every start. A program's own
package, which comes as a wheel, is compiled whole.
"""

import argparse
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

TOOLS = Path("/tools")
WHEELS = Path("/wheels")
HOME = Path("/opt/tidegauge")
PYTHON = HOME / "bin" / "python"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="+")
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--import", nargs="*", default=[], dest="modules")
    given = parser.parse_args()
    pip_install(requirement for text in given.requirements for requirement in wanted(text, given.without))
    for folder in [path for path in (HOME / "lib").rglob("tests") if path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)  # one may lie in another
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for module in given.modules:
        subprocess.run([PYTHON, "-c", f"import {module}"], check=True, env=environment)
    if all(text.endswith(".whl") for text in given.requirements):
        compile_whole(module.partition(".")[0] for module in given.modules)


def compile_whole(packages: Iterable[str]) -> None:
    """Make the bytecode of all modules of packages, which lie in the environment."""
    folders = [folder for name in set(packages) for folder in HOME.glob(f"lib/*/site-packages/{name}")]
    subprocess.run([PYTHON, "-m", "compileall", "-q", *folders], check=True)


def wanted(text: str, without: list[str]) -> Iterator[str]:
    """The requirements that one argument stands for."""
    if not text.startswith("."):
        yield text
        return
    project = tomllib.loads((TOOLS / "pyproject.toml").read_text())["project"]
    found = list(project["dependencies"])
    for extra in text.strip(".[]").split(","):
        found += project["optional-dependencies"][extra.strip()]
    yield from (each for each in found if re.split(r"[^\w.-]", each, maxsplit=1)[0] not in without)


def pip_install(requirements: Iterable[str]) -> None:
    """Run pip, which stands outside the environment."""
    names = list(requirements)
    options = ["--quiet", "--no-cache-dir", "--no-compile", "--no-warn-script-location"]
    options += ["--disable-pip-version-check", "--root-user-action", "ignore"]
    options += ["--find-links", str(WHEELS)] if WHEELS.is_dir() else []
    if all(name.endswith(".whl") for name in names):
        options.append("--no-deps")  # they are in the layer below
    else:
        options += ["--constraint", str(TOOLS / "constraints.txt")]
    subprocess.run([TOOLS / "bin" / "pip", "--python", PYTHON, "install", *options, *names], check=True)


if __name__ == "__main__":
    main()
