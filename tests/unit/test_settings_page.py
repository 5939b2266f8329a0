"""docs/settings.md has a row for each setting of each program, and no other."""

import re
from pathlib import Path

import pytest
from support.four_programs import PROGRAMS, TABLES

from tidegauge.__about__ import __version__
from tidegauge.kit.settings import settings_of

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text()
HEADINGS = {
    "serving": "Model server",
    "sidecar": "Drift sidecar",
    "aggregator": "Aggregator",
    "operator": "Operator",
}


def rows_of(program: str) -> dict[str, tuple[str, str]]:
    """Flag and default by variable."""
    section = PAGE.split(f"\n## {HEADINGS[program]}\n")[1].split("\n## ")[0]
    return {
        variable: (flag, default)
        for variable, flag, default in re.findall(r"^\| `(\w+)` \| `(--[\w-]+)` \| ([^|]+) \|", section, re.M)
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_setting_has_its_row_with_flag_and_default(program: str) -> None:
    shown = rows_of(program)
    table = {str(row.variable): row for _, row in settings_of(TABLES[program]) if row.variable}
    assert {variable: flag for variable, (flag, _) in shown.items()} == {
        variable: row.flag for variable, row in table.items()
    }
    for variable, (_, default) in shown.items():
        text = default.replace("VERSION", __version__).strip("`")
        assert text == "needed" if table[variable].default is None else True
        if table[variable].default:
            assert text == table[variable].default


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_setting_says_its_unit_and_what_it_is(program: str) -> None:
    for _, row in settings_of(TABLES[program]):
        assert row.about
        assert not row.about.endswith(".")
        assert bool(row.unit) is not row.is_switch


def test_a_default_is_written_as_a_person_would_write_it() -> None:
    for table in TABLES.values():
        for name, row in settings_of(table):
            if row.default is not None:
                assert row.read(row.default) == table.__dataclass_fields__[name].default
