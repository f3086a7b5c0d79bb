"""Bars, as SVG: one chart for each group of rows. Written by hand, so that no library is needed."""

from html import escape

WIDTH = 760
LEFT, RIGHT = 96, 20
BAR, GAP, BETWEEN = 12, 3, 14
TOP = 64

# Readable on white and on black; the text takes the colour of its surroundings.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .soft { fill: #57606a; }
  .axis { stroke: #8c959f; stroke-width: 1; opacity: .5; }
  .target { stroke: #cf222e; stroke-width: 2; }
  .limit { fill: #8c959f; } .peer { fill: #bf8700; } .threads { fill: #0969da; } .smol { fill: #8250df; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .soft { fill: #9198a1; }
    .target { stroke: #ff7b72; }
    .limit { fill: #6e7681; } .peer { fill: #d29922; } .threads { fill: #4493f8; } .smol { fill: #ab7df8; }
  }
"""


def chart(title, unit, rows):
    """`rows`: (name, [(kind, label, value, target or None)]); bars that reach beyond the scale are cut and say so."""
    values = [value for _, bars in rows for _, _, value, _ in bars]
    targets = [target for _, bars in rows for *_, target in bars if target]
    # A peer that is ten times as slow must not make the others' bars unreadable.
    ours = [value for _, bars in rows for kind, _, value, _ in bars if kind != "peer"]
    most = min(max(values), max(1.0, *ours, *targets) * 1.6)
    scale = (WIDTH - LEFT - RIGHT - 110) / most
    height = TOP + sum(len(bars) * (BAR + GAP) + BETWEEN for _, bars in rows) + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
    ]
    out += legend(unit)
    y = TOP
    for name, bars in rows:
        middle = y + len(bars) * (BAR + GAP) / 2 + 3
        out.append(f'<text x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>')
        for kind, label, value, target in bars:
            length = min(value, most) * scale
            cut = " …" if value > most else ""
            out.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" rx="2"/>')
            text = f"{number(value)}{cut}" + (f" {label}" if label else "")
            at = LEFT + max(length, target * scale if target and target <= most else 0) + 5
            out.append(f'<text class="soft" x="{at:.1f}" y="{y + BAR - 2}">{escape(text)}</text>')
            if target and target <= most:
                x = LEFT + target * scale
                out.append(f'<line class="target" x1="{x:.1f}" y1="{y - 2}" x2="{x:.1f}" y2="{y + BAR + 2}"/>')
            y += BAR + GAP
        y += BETWEEN
    out.append(f'<line class="axis" x1="{LEFT}" y1="{TOP - 6}" x2="{LEFT}" y2="{y - BETWEEN + 4}"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def legend(unit):
    out = []
    x = LEFT
    for kind, text in (("limit", "limit"), ("peer", "best peer"), ("threads", "threads"), ("smol", "smol")):
        out.append(f'<rect class="{kind}" x="{x}" y="33" width="12" height="12" rx="2"/>')
        out.append(f'<text x="{x + 17}" y="43">{text}</text>')
        x += 26 + 8 * len(text)
    out.append(f'<line class="target" x1="{x + 4}" y1="31" x2="{x + 4}" y2="47"/>')
    out.append(f'<text x="{x + 12}" y="43">target</text>')
    out.append(f'<text class="soft" x="{WIDTH - RIGHT}" y="43" text-anchor="end">{escape(unit)}</text>')
    return out


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
