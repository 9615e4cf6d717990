"""Draws the medians as bars, relative to onnxruntime's, in an SVG for light and dark pages."""

from xml.sax.saxutils import escape

from benchmark.report import COMPARED, RUNTIMES

WIDTH, LABEL, SCALE_TOP = 800, 220, 34
BAR, GAP, GROUP_GAP = 14, 3, 16
COLOURS = {
    "Graft": "#f05138",
    "Graft, AVX2": "#f7a072",
    "onnxruntime": "#5b8def",
    "ncnn": "#3aa6a0",
    "OpenVINO": "#8e7cc3",
    "PyTorch": "#d0899a",
    "Keras": "#9aa5b1",
}
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


def _groups(results):
    """Title and (name, ms) of each group of bars."""
    groups = []
    for key, title in COMPARED.items():
        medians = results["rows"].get(key, {}).get("medians_ms", {})
        if "onnxruntime" in medians and "Graft" in medians:
            groups.append((title, [(name, medians[name]) for name in RUNTIMES if name in medians]))
    for title, row in results["rows"].get("light", {}).get("models", {}).items():
        medians = row["medians_ms"]
        if "onnxruntime" in medians and "Graft" in medians:
            names = ("Graft", "Graft, AVX2", "onnxruntime")
            groups.append((title, [(name, medians[name]) for name in names if name in medians]))
    return groups


def svg(results):
    """The chart, or None if nothing was measured beside onnxruntime."""
    groups = _groups(results)
    if not groups:
        return None
    relative = [
        (title, [(name, ms, ms / dict(bars)["onnxruntime"]) for name, ms in bars])
        for title, bars in groups
    ]
    longest = max(ratio for _, bars in relative for *_, ratio in bars)
    unit = (WIDTH - LABEL - 130) / longest
    shapes, y = [], SCALE_TOP
    for title, bars in relative:
        middle = y + len(bars) * (BAR + GAP) / 2
        shapes.append(
            f'<text class="title" x="{LABEL - 12}" y="{middle + 2:.0f}" text-anchor="end">'
            f"{escape(title)}</text>"
        )
        for name, ms, ratio in bars:
            length = ratio * unit
            shapes.append(
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
                f'fill="{COLOURS[name]}"/>'
            )
            shapes.append(
                f'<text x="{LABEL + length + 6:.1f}" y="{y + 11}">{f"{ms:#.3g}".rstrip(".")} ms '
                f'<tspan class="quiet">{escape(name)}</tspan></text>'
            )
            y += BAR + GAP
        y += GROUP_GAP
    rules = []
    step = 0.5 if longest <= 4 else 1.0
    for index in range(int(longest / step) + 1):
        x = LABEL + index * step * unit
        kind = ' class="one"' if index * step == 1 else ""
        rules.append(
            f'<line{kind} x1="{x:.1f}" y1="{SCALE_TOP - 6}" x2="{x:.1f}" y2="{y - GROUP_GAP}"/>'
        )
        rules.append(
            f'<text class="quiet" x="{x:.1f}" y="{SCALE_TOP - 12}" text-anchor="middle">'
            f"{index * step:g}</text>"
        )
    caption = "Time relative to onnxruntime; shorter is faster"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" '
            f'width="{WIDTH}" height="{y + 8}" role="img" aria-label="{caption}">',
            f"<style>{STYLE}</style>",
            *rules,
            *shapes,
            f'<text class="quiet" x="{LABEL}" y="{y}">{caption}</text>',
            "</svg>\n",
        ]
    )
