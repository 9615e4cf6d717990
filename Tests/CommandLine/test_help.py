"""Help texts at the width of a terminal."""

import re

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


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_can_be_pasted(graft, command):
    """No command is broken in two at the usual width, except after a backslash."""
    result = graft("help", *command.split(), environment={"COLUMNS": "80"})
    assert result.status == 0
    overview = result.output[: result.output.index("USAGE:")]
    if command == "cache":
        assert "Examples:" not in overview
        return
    lines = overview.split("Examples:\n")[1].strip("\n").splitlines()
    for previous, line in zip(["", *lines], lines):
        assert line.startswith(("  graft ", "  infer ")) or previous.endswith("\\"), line
    assert not lines[-1].endswith("\\")


def test_adding_a_file_says_that_it_is_shared(graft):
    result = graft("help", "models", "add", environment={"COLUMNS": "200"})
    assert result.status == 0 and "Do not change it in place" in result.output


# Options with a value that are nothing unless they are given.
WITHOUT_DEFAULT = {
    "infer": {"--weights"},
    "finetune": {"--recipe", "--weights", "--cross-validate", "--preview"},
    "train": {"--recipe", "--weights", "--cross-validate", "--preview"},
    "evaluate": set(),
    "run": {"--input-dir", "--output-dir", "--input", "--output"},
    "inspect": {"--shape"},
    "convert": {"--weights"},
    "benchmark": {"--shape", "--profile"},
    "models add": set(),
}


def options(graft, command):
    """The help of each option of a command, in one line, by its first name."""
    result = graft("help", *command.split(), environment={"COLUMNS": "200"})
    assert result.status == 0
    entries = re.split(r"\n  (?=-)", result.output.split("OPTIONS:")[1])[1:]
    return {re.search("--[a-z-]+", entry)[0]: " ".join(entry.split()) for entry in entries}


@pytest.mark.parametrize("command", WITHOUT_DEFAULT)
def test_options_say_their_defaults(graft, command):
    texts = options(graft, command)
    said = {name for name, text in texts.items() if re.search(r"default: |\(the default\)", text)}
    without = {name for name, text in texts.items() if "<" in text} - said
    assert without == WITHOUT_DEFAULT[command]


def test_defaults_of_recipes(graft):
    texts = options(graft, "finetune")
    for name, default in {
        "--model": "vgg16",
        "--head": "gap,normalization,dense(classes,l2=auto); for graft train: gmp,dropout(0.3),"
        "dense(128,relu,l2=1e-05),dense(classes)",
        "--split": "80,20",
        "--batch-size": "32; for graft train: 128",
        "--seed": "1",
        "--epochs": "30,5; for graft train: 30",
        "--learning-rate": "0.001,1e-05; for graft train: 0.001",
        "--optimizer": "adam",
        "--schedule": "cosine",
        "--unfreeze": "none;all; for graft train: all",
    }.items():
        assert texts[name].endswith(f"(default: {default})."), texts[name]
    assert options(graft, "train") == texts
