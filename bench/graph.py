"""Small graphs of figures over time, one below the other, as SVG text."""

import html

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 820, 110, 90, 20, 46, 34
INK, LINE, TREND, SHADE, GRID = "#222222", "#2c6fbb", "#c0392b", "#f1f4f8", "#d9d9d9"


def text(x, y, words, anchor="start", size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{INK}">{html.escape(words)}</text>')


def panel(top, title, unit, points, trend):
    """A title, a frame from 0 to the largest value, the second half shaded, the line and its trend."""
    x_max = max(points[-1][0], 1e-9)
    y_max = max(max(value for _, value in points), 1e-9) * 1.1
    width = WIDTH - LEFT - RIGHT

    def place(x, y):
        return LEFT + width * x / x_max, top + PANEL * (1 - max(0, min(y, y_max)) / y_max)

    middle = (points[0][0] + points[-1][0]) / 2
    x, _ = place(middle, 0)
    parts = [f'<rect x="{x:.1f}" y="{top}" width="{LEFT + width - x:.1f}" height="{PANEL}" fill="{SHADE}"/>',
             text(LEFT, top - 6, title)]
    for part in (0, 0.5, 1):
        _, y = place(0, y_max * part)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + width}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 6, y + 4, f"{y_max * part:,.3g} {unit}", "end", 11))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.3"/>')
    ends = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in trend))
    parts.append(f'<polyline points="{ends}" fill="none" stroke="{TREND}" stroke-width="1.3" '
                 'stroke-dasharray="5 4"/>')
    return parts


def draw(title, panels):
    """`panels` are (title, unit, points, trend); points are (seconds, value), the trend its two ends."""
    height = TOP + len(panels) * (PANEL + GAP) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>', text(LEFT, 18, title, size=14)]
    top = TOP
    for words, unit, points, trend in panels:
        parts += panel(top, words, unit, points, trend)
        top += PANEL + GAP
    seconds = panels[0][2][-1][0]
    for part in (0, 0.25, 0.5, 0.75, 1):
        x = LEFT + (WIDTH - LEFT - RIGHT) * part
        parts.append(text(x, top - GAP + 16, f"{seconds * part / 60:.3g} min", "middle", 11))
    return "\n".join([*parts, "</svg>"]) + "\n"
