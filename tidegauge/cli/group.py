"""Groups of commands that suggest the nearest name."""

import click

from tidegauge.cli.failure import Failure
from tidegauge.nearest import or_nearest

__all__ = ["Group"]


class Group(click.Group):
    """A group in which a misspelt command is answered with the one that was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raises `Failure` where there is none of that name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            raise Failure(f"{ctx.command_path} has no command {name}; {or_nearest(name, known)}")
        return super().resolve_command(ctx, args)
