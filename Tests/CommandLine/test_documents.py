"""Compares statements of the documents with the code."""

import functools
import itertools
import json
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/python"))

import operator_list  # noqa: E402
from benchmark import chart  # noqa: E402

DOCUMENTS = [
    path
    for folder in [ROOT, ROOT / "docs", ROOT / "models"]
    for path in sorted(folder.glob("*.md"))
]


@functools.cache
def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def sources(*folders, suffix=".swift"):
    for folder in folders or ["Sources", "converters", "models"]:
        yield from (ROOT / folder).rglob(f"*{suffix}")


@functools.cache
def names():
    """All words in Swift, C and Python, tests, tools and the files' own names included."""
    found = set()
    for folder in ["Sources", "converters", "models", "Tests", "tools", "examples"]:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".swift", ".c", ".h", ".py"):
                text = f"{path.relative_to(ROOT)} {path.read_text(encoding='utf-8')}"
                found.update(re.findall(r"\w+", text))
    return found


def rows(name, heading):
    """The rows of the first table from a line on that begins with `heading`, as lists of cells."""
    lines = text(name).splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith(heading)]
    assert starts, f"{name} has no line that begins with “{heading}”"
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), lines[starts[0] :])
    lines = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def prose(page):
    return re.sub(r"^```.*?^```|^    .*?$", "", page, flags=re.DOTALL | re.MULTILINE)


def test_the_list_of_operators_is_the_catalog():
    names, page = operator_list.operators(), text("README.md")
    block = page.split(operator_list.BEGIN)[1].split(operator_list.END)[0].strip()
    assert block == operator_list.paragraphs(), "python3 tools/python/operator_list.py writes it"
    assert set(re.findall(r"(\w+)[,.]", block)) == names
    assert f"all {len(names)} of `ai.onnx`" in page
    cases = (ROOT / "tools/conformance-lists/passes.txt").read_text().splitlines()
    count = sum(bool(line) and not line.startswith("#") for line in cases)
    assert f"| ONNX's backend suite | all {count:,} cases |" in page


# Commands, options, exit codes, environment


def subcommands(program):
    listed = program("--help").output.split("SUBCOMMANDS:")[1]
    return set(re.findall(r"^  (\w+)", listed, re.MULTILINE)) - {"See"}


def test_the_commands_are_those_of_the_program(graft):
    table = rows("docs/commands.md", "# The commands")
    named = {row[0].strip("`").removeprefix("graft ") for row in table}
    assert named == subcommands(graft)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_have_their_options(graft, path):
    """Every `graft COMMAND … --option` of a page, with the lines that continue it."""
    page = path.read_text(encoding="utf-8").replace("\\\n", " ")
    written = re.findall(r"(?:^    |`)((?:graft|infer) [^`\n]+)", page, re.MULTILINE)
    known = subcommands(graft)
    for line in written:
        words = line.split("  #")[0].split(" | ")[0].split()
        command = "infer" if words[0] == "infer" else words[1]
        if command.startswith("-") or command == "COMMAND":
            continue
        assert command in known | {"help"}, f"{path.name}: {line}"
        if command in ("help", "models", "cache"):
            continue
        explained = graft(command, "--help").output
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(words)):
            assert re.search(rf"{option}(?![\w-])", explained), f"{path.name}: {option} in: {line}"


def test_exit_codes_are_those_of_the_errors():
    enumeration = re.search(r"enum Code: Int32.*?\n  }", text_of_type("GraftError"), re.DOTALL)[0]
    statuses = {int(value) for value in re.findall(r"case \w+ = (\d+)", enumeration)}
    named = {int(row[0]) for row in rows("docs/commands.md", "## Exit codes")}
    assert len(statuses) > 5 and named == statuses | {0, 130}


def text_of_type(name):
    [path] = [path for path in sources() if path.name == f"{name}.swift"]
    return path.read_text(encoding="utf-8")


def test_environment_variables_are_those_that_are_read():
    read = set()
    for suffix in (".swift", ".c"):
        for path in sources(suffix=suffix):
            read |= set(re.findall(r'"(GRAFT_[A-Z_]+)"', path.read_text(encoding="utf-8")))
    named = {row[0].strip("`") for row in rows("docs/commands.md", "## Environment")}
    assert read and named == read


def test_the_instruction_sets_are_named():
    [row] = [row for row in rows("docs/commands.md", "## Environment") if "GRAFT_ISA" in row[0]]
    cases = re.findall(r"^  case (\w+)", text_of_type("InstructionSet"), re.MULTILINE)
    assert cases and set(re.findall(r"`(\w+)`", row[1])) == set(cases)


def test_the_first_command_answers_as_written(infer):
    result = infer("examples/ship.jpg", cwd=ROOT)
    assert result.status == 0, result.errors
    shown = re.search(r"without any download:\n\n((?:    .*\n)+)", text("README.md"))[1]
    shown = textwrap.dedent(shown).splitlines()
    answered = result.output.splitlines()
    assert shown[:2] == answered[:2]
    assert shown[2].split()[0] == answered[2].split()[0] == "ship"
    assert abs(float(shown[2].split()[1]) - float(answered[2].split()[1])) < 0.1
    assert {line.split()[0] for line in shown[3:]} == {line.split()[0] for line in answered[3:]}


def test_the_swift_snippet_is_part_of_the_example():
    """The example is built, so that its lines compile."""
    [snippet] = re.findall(r"^```swift\n(.*?)^```", text("README.md"), re.DOTALL | re.MULTILINE)
    example = [line.strip() for line in text("examples/FineTuning/main.swift").splitlines()]
    for line in snippet.splitlines():
        if line and not line.startswith("let (model"):
            assert line.strip() in example


# Names and places


@functools.cache
def package():
    done = subprocess.run(
        ["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {target["name"]: target for target in json.loads(done.stdout)["targets"]}


def dependencies(target):
    named = [next(iter(item.values()))[0] for item in target["dependencies"]]
    return {name for name in named if package().get(name, {}).get("type") == "regular"}


def test_targets_are_those_of_the_package():
    listed = [row[0] for row in rows("docs/architecture.md", "## Targets")]
    named = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)}
    regular = {
        name for name, target in package().items()
        if target["type"] == "regular" and not target.get("path", "").startswith("Tests/")
    }  # fmt: skip
    assert named == regular


def test_the_diagram_of_targets_has_the_package_s_dependencies():
    """Arrows that follow from others are left out."""
    diagram = text("docs/architecture.md").split("```mermaid")[1].split("```")[0]
    drawn = {tuple(edge) for edge in re.findall(r"(\w+) --> (\w+)", diagram)}
    direct = {
        name: dependencies(target) for name, target in package().items()
        if target["type"] == "regular" and not target.get("path", "").startswith("Tests/")
    }  # fmt: skip

    def below(name):
        return {name for part in direct[name] for name in {part} | below(part)}

    needed = {
        (name, part) for name, parts in direct.items() for part in parts
        if not any(part in below(other) for other in parts)
    }  # fmt: skip
    assert needed and drawn == needed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_paths_in_documents_exist(path):
    page = path.read_text(encoding="utf-8")
    pattern = r"`((?:Sources|Tests|tools|docs|models|converters|recipes|examples)/[\w./+-]+)`"
    for name in re.findall(pattern, page):
        assert name.endswith("/NAME") or (ROOT / name).exists(), f"{path.name}: {name}"
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{path.name}: {link}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{path.name}: {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_names_in_documents_are_in_the_code(path):
    """Types, functions and variables in `code`; words of the system or of other programs aside."""
    others = {"TensorProto", "RidgeClassifierCV", "VGG16"}
    for span in re.findall(r"`([^`\n]+)`", prose(path.read_text(encoding="utf-8"))):
        if not re.fullmatch(r"[A-Za-z_]\w*(?:[.+][A-Za-z_]\w*)*(?:\(.*\))?", span):
            continue
        for name in re.split(r"[.+]", span.split("(")[0]):
            if re.search(r"[a-z][A-Z]|_", name) and name not in others:
                assert name in names(), f"{path.name}: {span}"


# Figures


def figures(cell):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]


def measured():
    """The figures of the front pages, from the tables that the benchmarks wrote."""
    page = "docs/performance.md"
    [vgg16] = [row for row in rows(page, "| VGG16, ms") if row[0] == "batch 1"]
    [light] = [row for row in rows(page, "| work |") if row[0] == "9 light models, geometric mean"]
    training = rows(page, "<!-- Written by tools/benchmark training from")
    [training] = [row for row in training if row[0].startswith("all layers, 64x64")]
    return {
        "VGG16, one image": [figures(cell)[0] for cell in vgg16[1:4]],
        "nine light models": [figures(light[3])[0], 1],
        "training all layers": [figures(cell)[0] for cell in training[1:4]],
    }


@pytest.mark.parametrize("name", ["README.md", "docs/performance.md"])
def test_the_three_numbers_are_those_of_the_tables(name):
    table = rows(name, "| two cores")
    assert len(table) == 3
    for row in table:
        [(title, (own, *others))] = [(t, n) for t, n in measured().items() if row[0].startswith(t)]
        digits = 2 if own < 1 else 0
        assert figures(row[1]) == [round(own, digits)]
        assert figures(row[2]) == [round(other, digits) for other in others]
        if len(row) > 3:
            times = [other / own for other in others]
            if title.startswith("training"):
                times = [1 / time for time in times]
            assert figures(row[3]) == [round(time, 1) for time in times][: len(figures(row[3]))]


def test_the_chart_is_drawn_from_the_tables():
    assert text("docs/performance.svg") == chart.svg(text("docs/performance.md"))
