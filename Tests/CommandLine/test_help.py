"""Help texts at the width of a terminal."""

import pytest

COMMANDS = "infer finetune train evaluate run inspect convert benchmark models cache".split()
SUBCOMMANDS = [f"models {name}" for name in ["list", "path", "pull", "add", "remove"]]


@pytest.mark.parametrize("command", ["", *COMMANDS, *SUBCOMMANDS, "cache list", "cache clear"])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_paragraphs_fill_their_lines(graft, command, columns):
    """A line that was broken by hand ends where the next word would still have fitted."""
    result = graft("help", *command.split(), environment={"COLUMNS": str(columns)})
    assert result.status == 0
    overview = result.output[: result.output.index("USAGE:")].splitlines()
    for line, following in zip(overview, overview[1:]):
        if line.startswith(" ") or following.startswith(" ") or not line or not following:
            continue
        if line.endswith(":"):
            continue
        # The parser's own lines end a little before the last column.
        assert len(line) + 1 + len(following.split()[0]) > columns - 8, line
