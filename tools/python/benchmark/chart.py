"""Draws the front page of docs/performance.md as bars, in an SVG for light and dark pages.

    PYTHONPATH=tools/python python3 -m benchmark.chart

The figures are those of the tables in the page: VGG16 with one image in all runtimes, and the light
models, both relative to onnxruntime.
"""

import os
from xml.sax.saxutils import escape

WIDTH, LABEL, TOP = 720, 150, 34
BAR, GAP, GROUP_GAP = 16, 4, 14
OWN, OTHER = "#f05138", "#9aa5b1"
STYLE = """
text { font-family: system-ui, sans-serif; font-size: 12px; fill: #24292f; }
.title { font-weight: 600; }
.quiet { fill: #57606a; }
line { stroke: #d0d7de; }
.one { stroke: #57606a; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9da7b1; }
  line { stroke: #3d444d; }
  .one { stroke: #9da7b1; }
}
"""
CAPTION = "Time relative to onnxruntime; shorter is faster"


def tables(page):
    """Each table of a page: its header and its rows, as lists of cells."""
    rows = []
    for line in [*page.split("\n"), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            yield rows[0], rows[2:]
            rows = []


def groups(page):
    """Groups of bars: (name, milliseconds, time relative to onnxruntime)."""
    found = {header[0]: (header, rows) for header, rows in tables(page)}
    header, rows = found["VGG16, ms"]
    times = [(name, float(cell.split()[0])) for name, cell in zip(header[1:], rows[0][1:])]
    peer = dict(times)["onnxruntime"]
    yield [(f"{name}, VGG16" if name == "Graft" else name, ms, ms / peer) for name, ms in times]
    _, rows = found["light models, ms"]
    yield [(row[0], float(row[2]), float(row[2]) / float(row[1])) for row in rows]


def svg(page):
    bars = list(groups(page))
    longest = max(ratio for group in bars for *_, ratio in group)
    unit = (WIDTH - LABEL - 120) / longest
    shapes, y = [], TOP
    for index, group in enumerate(bars):
        for name, ms, ratio in group:
            own = index > 0 or name.startswith("Graft")
            kind = "title" if own else "quiet"
            x = LABEL + ratio * unit
            shapes += [
                f'<text class="{kind}" x="{LABEL - 10}" y="{y + 12}" text-anchor="end">'
                f"{escape(name)}</text>",
                f'<rect x="{LABEL}" y="{y}" width="{x - LABEL:.1f}" height="{BAR}" rx="2" '
                f'fill="{OWN if own else OTHER}"/>',
                f'<text x="{x + 6:.1f}" y="{y + 12}">{ratio:.2f} '
                f'<tspan class="quiet">{ms:.3g} ms</tspan></text>',
            ]
            y += BAR + GAP
        y += GROUP_GAP
    rules = []
    for index in range(int(longest / 0.25) + 1):
        x, kind = LABEL + index * 0.25 * unit, ' class="one"' if index == 4 else ""
        rules.append(f'<line{kind} x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{y - GROUP_GAP}"/>')
        rules.append(
            f'<text class="quiet" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">'
            f"{index * 0.25:g}</text>"
        )
    size = f'viewBox="0 0 {WIDTH} {y + 12}" width="{WIDTH}" height="{y + 12}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{CAPTION}">',
            f"<style>{STYLE}</style>",
            *rules,
            *shapes,
            f'<text class="quiet" x="{LABEL}" y="{y + 2}">{CAPTION}</text>',
            "</svg>\n",
        ]
    )


def write(path):
    """Draws the chart of a page beside it."""
    with open(path, encoding="utf-8") as file:
        drawing = svg(file.read())
    with open(os.path.splitext(path)[0] + ".svg", "w", encoding="utf-8") as file:
        file.write(drawing)


if __name__ == "__main__":
    write("docs/performance.md")
