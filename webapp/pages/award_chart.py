"""The geometry of the chart of awards: a stacked bar per day, or per week in a long period.

Horizontal positions are percentages: the chart fits every screen, and its text keeps its size. Heights are pixels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from webapp.domain.badges.insights import Day
from webapp.models import AwardSource

HEIGHT, HEAD, FOOT = 220, 24, 22  # of the drawing; above the bars, and below them for the dates
TALL = HEIGHT - HEAD - FOOT
DAILY = 92  # days; a longer period is drawn by week
WEEK = 7
MARKS = 5  # dates below the bars
CUT = 5  # how many times a bar exceeds the median when it is cut
CUT_BARS = 3  # at most
FEWEST = 5  # bars; of fewer, none is cut


@dataclass(frozen=True)
class Segment:
    """The part of a bar for one source."""

    source: AwardSource
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """The awards from `first` to `last`; `cut` if the bar is taller than the chart."""

    first: date
    last: date
    by_source: dict[AwardSource, int]
    total: int
    x: float
    width: float
    segments: list[Segment]
    cut: bool

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 2)

    @property
    def top(self) -> float:
        return self.segments[-1].y if self.segments else HEIGHT - FOOT

    @property
    def anchor(self) -> str:
        """Where the label of a bar begins, so that it stays inside the chart."""
        return "start" if self.middle < 20 else "end" if self.middle > 80 else "middle"


@dataclass(frozen=True)
class Chart:
    """The bars, the grid lines as height and number, and the dates below as position and day."""

    bars: list[Bar]
    lines: list[tuple[float, int]]
    marks: list[tuple[float, date]]
    weekly: bool
    height: int = HEIGHT
    floor: int = HEIGHT - FOOT


def draw(days: list[Day]) -> Chart:
    """Draw the days on a scale that ends at a round number. A few bars far above all others are cut."""
    weekly = len(days) > DAILY
    size = WEEK if weekly else 1
    groups = [days[max(0, end - size) : end] for end in range(len(days), 0, -size)][::-1]
    highest = ceiling([sum(day.total for day in group) for group in groups])
    step = 100 / max(1, len(groups))
    bars = [_bar(group, place * step, step, highest) for place, group in enumerate(groups)]
    lines = [(HEIGHT - FOOT - TALL * part / 2, highest * part // 2) for part in (1, 2)]
    every = max(1, round(len(bars) / MARKS))
    marks = [(bar.middle, bar.first) for bar in bars[every // 2 :: every]]
    return Chart(bars, lines, marks, weekly)


def ceiling(totals: list[int]) -> int:
    """The end of the scale: a round number above all totals except a few that would flatten the others."""
    ranked = sorted(filter(None, totals), reverse=True)
    if not ranked:
        return round_up(0)
    above = sum(total > CUT * ranked[len(ranked) // 2] for total in ranked)
    return round_up(ranked[above if above <= CUT_BARS and len(ranked) >= FEWEST else 0])


def round_up(number: int) -> int:
    """Round up to 2, 4, 10, 20, 40, 100 …, so that half of the scale is a whole number too."""
    top = 2
    while top < number:
        top = top * 5 // 2 if str(top)[0] == "4" else top * 2
    return top


def _bar(days: list[Day], left: float, step: float, highest: int) -> Bar:
    by_source: Counter[AwardSource] = Counter()
    for day in days:
        by_source.update(day.by_source)
    total, floor = by_source.total(), float(HEIGHT - FOOT)
    segments = []
    for source in AwardSource:
        if height := TALL * by_source[source] / max(total, highest):
            floor -= height
            segments.append(Segment(source, round(floor, 2), round(height, 2)))
    x, width = round(left + step * 0.1, 2), round(step * 0.8, 2)
    return Bar(
        days[0].day, days[-1].day, dict(by_source), total, x, width, segments, total > highest
    )
