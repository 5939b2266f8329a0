"""``python -m tidegauge.cli`` is the command `tidegauge`."""

from tidegauge.cli import main

if __name__ == "__main__":
    main(prog_name="tidegauge")
