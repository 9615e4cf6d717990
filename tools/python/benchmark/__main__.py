"""Runs the rows that are asked for, prints the table, and writes page, chart and raw results."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

from benchmark import chart, machine, models, report
from benchmark.contenders import Unavailable
from benchmark.rows import ROWS, Setting, line


def graft_version(program, root, given):
    """The version with the commit that was built, or the digest of a program from elsewhere."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version = version.stdout.strip()
    if given:
        with open(program, "rb") as file:
            return f"{version} (SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:12]})"

    def git(*arguments):
        result = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
        return result.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--", "Sources", "Package.swift")
    return f"{version} ({commit}{' and changes' if changed else ''})"


def read_results(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def write_whole(path, text):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


def missing_peers(folder):
    """Why packages are not installed, by name; tools/benchmark writes a file for each."""
    missing = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name)) as file:
            missing[name] = file.read().strip()
    return missing


def parse(root):
    parser = argparse.ArgumentParser(
        prog="tools/benchmark",
        description="Measures Graft beside other runtimes; writes docs/performance.md and .svg.",
    )
    names = list(ROWS)
    parser.add_argument("--rows", help=f"some of {','.join(names)} (default: all)")
    parser.add_argument("--rounds", type=int, help="turns of each runtime (default: 5)")
    parser.add_argument("--graft", help="a program to measure instead of building one")
    parser.add_argument("--quick", action="store_true", help="short turns and two rounds")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.* alone")
    default = os.path.join(root, ".build", "benchmark", "results.json")
    parser.add_argument(
        "--output", default=default,
        help="raw results as JSON; rows of this machine that are in the file and not measured "
        "now are kept (default: .build/benchmark/results.json)",
    )  # fmt: skip
    options = parser.parse_args()
    options.rows = options.rows.split(",") if options.rows else names
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"unknown rows: {', '.join(unknown)}; there are {', '.join(names)}")
    options.rounds = options.rounds or (2 if options.quick else 5)
    if options.rounds < 1:
        parser.error("--rounds takes a positive number")
    return options


def main():
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    options = parse(root)
    build = os.path.join(root, ".build", "benchmark")
    program = os.path.abspath(options.graft or os.path.join(root, ".build", "release", "graft"))
    description = machine.describe()
    version = graft_version(program, root, given=options.graft is not None)
    earlier = read_results(options.output)
    same = ("processor", "family_model_stepping", "processors", "instruction_sets", "versions")
    known = earlier.get("machine", {})
    kept = earlier["rows"] if all(known.get(key) == description[key] for key in same) else {}
    os.makedirs(build, exist_ok=True)
    for name in [name for name in os.environ if name in ("GRAFT_ISA", "GRAFT_THREADS")]:
        print(f"{name} is set, and ignored here.", file=sys.stderr)
        del os.environ[name]
    measured = {}
    with tempfile.TemporaryDirectory(dir=build) as folder:
        os.environ["GRAFT_HOME"] = os.path.join(folder, "home")
        setting = Setting(
            program, root, folder, missing_peers(os.path.join(build, "missing")),
            options.rounds, options.quick,
        )  # fmt: skip
        for name in options.rows:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                result = ROWS[name](setting)
            except Unavailable as reason:
                result = {"lines": [line(name, note=str(reason))]}
            occasion = {
                "date": description["date"], "graft_version": version,
                "weights": models.vgg16_source(),
            }  # fmt: skip
            measured[name] = {**occasion, "rounds": options.rounds, **result}
            rows = {key: {**kept, **measured}[key] for key in ROWS if key in {**kept, **measured}}
            results = {"machine": description, "rows": rows}
            write_whole(options.output, json.dumps(results, indent=1) + "\n")
    print(report.markdown({"machine": description, "rows": measured}), end="")
    if not options.no_write:
        page = os.path.join(root, "docs", "performance.md")
        report.write(results, page)
        chart.write(page)
    print(f"Raw results: {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
