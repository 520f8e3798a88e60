"""Medians with their spread, and plain tables."""
import statistics


class Sample:
    """The values of one figure over the rounds of a run."""

    def __init__(self, values):
        self.values = list(values)

    @property
    def median(self):
        return statistics.median(self.values)

    def text(self, form="{:.1f}"):
        """Median and, in brackets, least and greatest."""
        least, most = min(self.values), max(self.values)
        if len(self.values) == 1:
            return form.format(least)
        return (form + " [" + form + ".." + form + "]").format(
            self.median, least, most)


def ratio(ours, theirs):
    """Of runs that stood side by side, pair by pair."""
    return Sample(a / b for a, b in zip(ours.values, theirs.values) if b)


def table(title, header, rows):
    rows = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(header))]
    print(f"\n{title}")
    for n, row in enumerate(rows):
        print("  " + "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))))
        if n == 0:
            print("  " + "  ".join("-" * width for width in widths))
