"""Writes measurements as Markdown."""

import textwrap

from benchmark import models

BEGIN = "<!-- Written by tools/benchmark from here … -->"
END = "<!-- … to here -->"
RUNTIMES = ("Graft", "onnxruntime", "ncnn", "OpenVINO", "PyTorch", "Keras")
COMPARED = {
    "vgg16": "batch 1",
    "vgg16-batch16": "batch 16, per image",
    "vgg16-thread1": "1 thread",
    "bf16": "bf16",
}


NOTES = (
    "A script is onnxruntime in Python. Errors are relative RMS errors of VGG16 against float64. "
    "Times of batch 16 are per image."
)


def filled(text, indent=""):
    """Lines of at most 100 columns."""
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def number(value):
    return f"{value:.1e}" if 0 < abs(value) < 0.01 else f"{value:.3g}"


def _table(header, rows, right=()):
    marks = ["---:" if index in right else "---" for index in range(len(header))]
    return ["| " + " | ".join(cells) + " |" for cells in (header, marks, *rows)]


def target(line):
    if line["limit"] is None:
        return ""
    sign = "≥" if line["at_least"] else "≤"
    return f"{sign} {number(line['limit'])}{line.get('unit', '')}"


def measured(line):
    """The figure that is compared with the target."""
    if line["value"] is not None:
        return f"{number(line['value'])}{line.get('unit', '')}"
    return line.get("note", "")


def target_table(results):
    rows = []
    for row in results["rows"].values():
        for line in row["lines"]:
            other = f"{line['beside']} ({line['of']})" if "beside" in line else line.get("of", "")
            reached = {True: "yes", False: "**no**", None: ""}[line["reached"]]
            rows.append(
                [line["work"], line.get("graft", ""), other, measured(line), target(line), reached]
            )
    return _table(["work", "Graft", "beside", "measured", "to reach", "reached"], rows, (3, 4))


def runtime_table(results):
    """Every runtime's median, and Graft's time as a share of it; or nothing."""
    rows = []
    for key, work in COMPARED.items():
        medians = results["rows"].get(key, {}).get("medians_ms", {})
        if "Graft" not in medians:
            continue
        cells = [work]
        for name in RUNTIMES:
            cell = f"{medians[name]:.1f}" if name in medians else "–"
            if name in medians and name != "Graft":
                cell += f" ({medians['Graft'] / medians[name]:.2f})"
            cells.append(cell)
        rows.append(cells)
    return _table(["VGG16, ms", *RUNTIMES], rows, range(1, 7)) if rows else []


def light_table(results):
    rows = []
    for name, row in results["rows"].get("light", {}).get("models", {}).items():
        medians = row["medians_ms"]
        if "onnxruntime" not in medians:
            continue
        peer = medians["onnxruntime"]
        cells = [name, f"{peer:.2f}"]
        for label in ("Graft", "Graft, AVX2"):
            own = medians.get(label)
            cells += [f"{own:.2f}", f"{own / peer:.2f}"] if own else ["–", "–"]
        rows.append(cells)
    header = ["light models, ms", "onnxruntime", "Graft", "ratio", "Graft with AVX2", "ratio"]
    return _table(header, rows, range(1, 6)) if rows else []


def layer_table(results):
    row = results["rows"].get("precision", {})
    if "graft" not in row:
        return []
    rows = []
    for name in [layer[0] for layer in models.convolutions()] + ["fc1", "fc2"]:
        errors = [row[runtime]["layers"][name] for runtime in ("graft", "onnxruntime")]
        rows.append([name, *(f"{error:.2e}" for error in errors)])
    return _table(["error against float64", "Graft", "onnxruntime"], rows, (1, 2))


def machine_text(machine):
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    virtual = ", virtual" if machine["virtual"] else ""
    return (
        f"{machine['processors']} processors of {machine['processor']} (family, model, stepping "
        f"{machine['family_model_stepping']}{virtual}); {', '.join(machine['caches'])}; "
        f"{', '.join(machine['instruction_sets'])}; {machine['memory_gib']} GiB of memory; "
        f"{machine['system']}. {versions}."
    )


def _absences(results):
    """The contenders that were not measured, once for each reason."""
    reasons = {}
    for row in results["rows"].values():
        for part in (row, *row.get("models", {}).values()):
            for name, reason in part.get("absent", {}).items():
                reasons[f"{name}: {reason}"] = True
    return [filled(f"- {reason}", "  ") for reason in reasons]


def _unsteady(results):
    """How many contenders of each row had turns so different that the machine must have changed."""
    for key, row in results["rows"].items():
        parts = [row, *row.get("models", {}).values()]
        turns = [times for part in parts for times in part.get("rounds_ms", {}).values() if times]
        count = sum(max(times) > 1.15 * min(times) for times in turns)
        if count:
            yield f"{key} ({count} of {len(turns)} runtimes)"


def _occasions(results):
    """The times of the measurements, and the disturbed ones."""
    groups = {}
    for key, row in results["rows"].items():
        occasion = (row["date"], row["graft_version"], row["weights"])
        groups.setdefault(occasion, []).append(key)
    lines = [
        f"Measured on {day} with Graft {version}, weights from {weights}: {', '.join(keys)}."
        for (day, version, weights), keys in groups.items()
    ]
    turns = sum(row.get("turns", 0) for row in results["rows"].values())
    disturbed = sum(row.get("disturbed_turns", 0) for row in results["rows"].values())
    if turns:
        share = f"{disturbed} of {turns} turns"
        lines.append(f"Other work took more than 5 % of a processor in {share}.")
    unsteady = list(_unsteady(results))
    if unsteady:
        lines.append(f"Undisturbed turns differ by more than 15 % in {', '.join(unsteady)}.")
    return lines


def markdown(results):
    """All tables."""
    sections = [
        [filled(machine_text(results["machine"]))],
        [filled(" ".join(_occasions(results)))],
        target_table(results),
        [filled(NOTES)],
        runtime_table(results),
        ["In brackets: Graft's time as a share of the peer's."] if runtime_table(results) else [],
        light_table(results),
        layer_table(results),
        ["Not measured:", "", *_absences(results)] if _absences(results) else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def write(results, path):
    """Puts the tables between the page's marks."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines “{BEGIN}” and “{END}”")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{markdown(results)}\n{END}{after}")
