"""The command `tidegauge`, also as ``python -m tidegauge``; the library alone is installed without it."""

import io
import sys


def main() -> None:
    """Run the command, or say what to install for it."""
    try:
        from tidegauge.cli import main as command
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("tidegauge"):
            raise
        sys.exit(f"tidegauge: the command needs {missing.name}: in a checkout pip install '.[cli]'")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal's encoding lacks is shown escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    command(prog_name="tidegauge")


if __name__ == "__main__":
    main()
