"""Makes mondays.txt and anchors.txt: calendars by a library that shares no code with ours.

    pip install python-dateutil==2.9.0.post0 && python3 calendars.py
"""

from datetime import date
from itertools import groupby
from pathlib import Path

from dateutil.relativedelta import relativedelta
from dateutil.rrule import MO, WEEKLY, rrule

HERE = Path(__file__).parent
DIGITS = "0123456789abcdefghijklmnopqrstuv"

mondays = rrule(WEEKLY, byweekday=MO, dtstart=date(1970, 1, 1), until=date(2100, 12, 31))
with open(HERE / "mondays.txt", "w") as file:
    file.write("# Made by calendars.py: the Mondays of each year, as month and day.\n")
    for year, days in groupby(mondays, lambda day: day.year):
        file.write(f"{year} {' '.join(day.strftime('%m%d') for day in days)}\n")

with open(HERE / "anchors.txt", "w") as file:
    file.write(
        "# Made by calendars.py: for plans bought on 1 to 31 January 2026, the days on which the\n"
        "# period of each month begins. A day is a letter: 9 is the 9th, a the 10th, v the 31st.\n"
    )
    for months in range(1, 1201):
        starts = [date(2026, 1, day) + relativedelta(months=months) for day in range(1, 32)]
        days = "".join(DIGITS[start.day] for start in starts)
        assert len({(start.year, start.month) for start in starts}) == 1
        file.write(f"{starts[0]:%Y-%m} {days}\n")
