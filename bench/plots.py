# SPDX-License-Identifier: MIT
"""Line plots as SVG, readable on light and on dark ground. It knows nothing of what is drawn:
document.py does."""
import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 46, 52
COLOURS = ("#2f7ed8", "#e07b00", "#2a9d5c", "#b0489f")
DASHES = ("", "7 4", "2 3", "9 3 2 3")

# Legible on either ground where a viewer does not know which it is.
STYLE = """\
	text { font: 13px system-ui, sans-serif; fill: #737b85; }
	.title { font-weight: 600; font-size: 14px; }
	.axis { stroke: #737b85; }
	.grid { stroke: #737b85; stroke-opacity: 0.3; }
	@media (prefers-color-scheme: light) { text { fill: #24292f; } }
	@media (prefers-color-scheme: dark) { text { fill: #d1d7e0; } }
"""


@dataclasses.dataclass
class Line:
    """points: (x, median, least, most), by x. look: which of the colours and dashes."""
    name: str
    look: int
    points: list


@dataclasses.dataclass
class Plot:
    title: str
    x_title: str
    y_title: str
    lines: list
    log_y: bool = False


def powers(low, high):
    """The powers of ten that hold this range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** n for n in range(first, max(last, first + 1) + 1)]


def log_steps(low, high):
    """Powers of ten that hold this range, or for a short one 1, 2 and 5 times these."""
    if high / low > 100:
        return powers(low, high)
    every = [factor * power for power in powers(low, high) for factor in (1, 2, 5)]
    first = max(n for n, step in enumerate(every) if step <= low)
    last = min(n for n, step in enumerate(every) if step >= high)
    return every[first:max(last, first + 1) + 1]


def steps(high):
    """Some round numbers from 0 to above this one."""
    step = 10.0 ** math.floor(math.log10(high / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if high / (step * factor) <= 6)
    return [step * n for n in range(math.ceil(high / step) + 1)]


def short(value):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {unit}"
    return f"{value:g}"


class Scale:
    """From values to pixels between two ends; ticks hold every value."""

    def __init__(self, ticks, start, end, log):
        self.ticks, self.start, self.end, self.log = ticks, start, end, log

    def __call__(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        else:
            share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def stroke(kind, x1, x2, y1, y2, more=""):
    return f'<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"{more}/>'


def draw_frame(plot, x, y):
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [text(LEFT, 20, plot.title, "start", ' class="title"')]
    for tick in y.ticks:
        parts.append(stroke("grid", LEFT, right, y(tick), y(tick)))
        parts.append(text(LEFT - 8, y(tick) + 4, short(tick), "end"))
    for tick in x.ticks:
        parts.append(stroke("axis", x(tick), x(tick), floor, floor + 5))
        parts.append(text(x(tick), floor + 20, short(tick)))
    parts.append(stroke("axis", LEFT, right, floor, floor))
    parts.append(text((LEFT + right) / 2, HEIGHT - 10, plot.x_title))
    middle = (TOP + floor) / 2
    parts.append(text(16, middle, plot.y_title, more=f' transform="rotate(-90 16 {middle})"'))
    return parts


def look_of(line):
    return (f' stroke="{COLOURS[line.look]}" stroke-width="2.5" '
            f'stroke-dasharray="{DASHES[line.look]}"')


def draw_line(line, x, y):
    colour = COLOURS[line.look]
    path = " ".join(f"{x(at)},{y(median)}" for at, median, _, _ in line.points)
    parts = [f'<polyline points="{path}" fill="none"{look_of(line)}/>']
    for at, median, least, most in line.points:
        parts.append(stroke("bar", x(at), x(at), y(least), y(most), f' stroke="{colour}"'))
        parts.append(f'<circle cx="{x(at)}" cy="{y(median)}" r="4" fill="{colour}"/>')
    return parts


def draw_legend(lines):
    parts, at = [], LEFT
    for line in lines:
        parts.append(stroke("look", at, at + 26, 34, 34, look_of(line)))
        parts.append(text(at + 32, 38, line.name, "start"))
        at += 60 + 7 * len(line.name)
    return parts


def draw(plot):
    """The SVG text of a plot whose x axis is logarithmic."""
    points = [point for line in plot.lines for point in line.points]
    x = Scale(powers(min(p[0] for p in points), max(p[0] for p in points)), LEFT + 10,
              WIDTH - RIGHT - 10, True)
    low, high = min(p[2] for p in points), max(p[3] for p in points)
    y = Scale(log_steps(low, high) if plot.log_y else steps(high), HEIGHT - BOTTOM, TOP + 8,
              plot.log_y)
    parts = draw_frame(plot, x, y)
    for line in plot.lines:
        parts += draw_line(line, x, y)
    parts += draw_legend(plot.lines)
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}">\n<style>\n{STYLE}</style>\n{body}\n</svg>\n')
