"""Writes README's list of operators from the catalog's, tools/conformance-lists/operators.txt.

python3 tools/python/operator_list.py
"""

import pathlib
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN = "<!-- Written by tools/python/operator_list.py from here … -->"
END = "<!-- … to here -->"


def operators():
    lines = (ROOT / "tools/conformance-lists/operators.txt").read_text().splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]
    # Without domains.
    return {name.split(".")[-1] for name in names}


def paragraphs():
    """One for each family, which is a folder of GraftOperators."""
    base, names, families = ROOT / "Sources/GraftOperators", operators(), {}
    for path in base.rglob("*.swift"):
        # Swift has an Optional of its own.
        name = path.stem.replace("OptionalOperator", "Optional")
        if name in names:
            families.setdefault(path.relative_to(base).parts[0], []).append(name)
    return "\n\n".join(
        textwrap.fill(f"**{family}**: {', '.join(sorted(families[family]))}.", 100)
        for family in sorted(families)
    )


if __name__ == "__main__":
    readme = ROOT / "README.md"
    page = readme.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n\n{paragraphs()}\n\n{END}{after}", encoding="utf-8")
