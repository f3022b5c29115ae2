"""Whether a figure that was sampled over time stays where it is.

Judged is the second half: in the first, caches fill and files grow to their size. The slope is Theil and
Sen's, the median of the slopes between all pairs of samples, which a few outliers do not move.
"""

import dataclasses
import statistics

PAIRS_MAX = 400  # samples; more are thinned out evenly


@dataclasses.dataclass(frozen=True)
class Figure:
    """What is judged, and how much it may grow (or fall, when more is better) over the second half, as a
    part of its median there; None: it is shown only."""

    name: str
    unit: str
    title: str
    tolerance: float | None
    more_is_better: bool = False
    slack: float = 0  # so much, in its unit, is never too much


@dataclasses.dataclass(frozen=True)
class Verdict:
    figure: Figure
    median: float  # of the second half
    per_hour: float
    change: float  # over the second half, as a part of the median
    flat: bool

    def line(self):
        figure = self.figure
        allowed = "not judged" if figure.tolerance is None else f"at most {figure.tolerance:.0%}"
        word = "" if figure.tolerance is None else ("flat" if self.flat else "NOT FLAT")
        return (f"| {figure.title} | {self.median:,.4g} {figure.unit} | {self.per_hour:+,.3g} {figure.unit} "
                f"| {self.change:+.1%} | {allowed} | {word} |")


def slope(points):
    """Of (x, y) pairs, at least two different x."""
    step = max(1, len(points) // PAIRS_MAX)
    points = points[::step]
    slopes = [(y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(points)
              for x2, y2 in points[i + 1:] if x2 != x1]
    return statistics.median(slopes)


def second_half(points):
    middle = (points[0][0] + points[-1][0]) / 2
    return [point for point in points if point[0] >= middle]


def judge(figure, points):
    """Of (seconds, value) pairs; at least eight, so that a slope means something."""
    half = second_half(points)
    per_second = slope(half)
    median = statistics.median(value for _, value in half)
    growth = per_second * (half[-1][0] - half[0][0])
    change = growth / median if median else (1.0 if growth else 0.0)
    worse = -growth if figure.more_is_better else growth
    allowed = max((figure.tolerance or 0) * abs(median), figure.slack)
    return Verdict(figure, median, per_second * 3600, change, figure.tolerance is None or worse <= allowed)
