"""Electricity demand: a recurrent network on two weeks of half hours tells the whole next day.

    python examples/demand.py [--quick]

What it has to beat is the same half hour of the week before, which is hard to beat: the network only tells how far the
next day will be from that. It reads the two weeks day by day: each step is the 48 half hours of one day, and how much
each is above the same half hour of the week before. It learns from days that begin at any half hour of the first ten
weeks; the last two weeks are told day by day from midnight to midnight, each from what was known at its first minute.
At the end one number of one day is explained: which past half hours pushed it up or down.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

DAY, WEEK = 48, 7 * 48
PAST = 2 * WEEK
HELD_OUT = 2 * WEEK
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def samples(demand: Any, begins: Any) -> tuple[Any, Any, Any]:
    """For days that begin at these half hours: what the network is given, the day itself, the same a week before.

    demand: (t,) in gigawatts. x: (n, 7, 96), for each of the seven days before, what it was and how much it grew over
    the week, each brought near 0 … 1; the other two: (n, 48).
    """
    before = np.stack([demand[i - PAST : i] for i in begins])
    grown = before[:, WEEK:] - before[:, :WEEK]
    days = [(before[:, WEEK:] - 30) / 5, grown]
    x = np.concatenate([part.reshape(-1, 7, DAY) for part in days], axis=2).astype("float32")
    return x, np.stack([demand[i : i + DAY] for i in begins]), before[:, WEEK : WEEK + DAY]


def network() -> pl.Sequential:
    """One GRU over the days; the last layer begins at 0, which tells the same as the week before."""
    return pl.Sequential([pl.GRU(64), pl.Dropout(0.3), pl.Dense(DAY, kernel_initializer="zeros")])


def trained(demand: Any, begins: Any, epochs: int = 20, batch_size: int = 32) -> pl.Sequential:
    """The network after its training to tell how far each half hour is from the one a week before."""
    x, day, week_before = samples(demand, begins)
    model = network()
    rate = pl.CosineDecay(3e-3, epochs * -(-len(x) // batch_size))
    model.compile(pl.AdamW(rate, weight_decay=0.05), "mean_absolute_error")
    model.fit(x, (day - week_before).astype("float32"), batch_size=batch_size, epochs=epochs, record=False)
    return model


def explained(model: pl.Sequential, demand: Any, begin: int) -> pl.Attribution:
    """The half hour of the day that differs most from the week before, and what of the past says so."""
    x, day, week_before = samples(demand, [begin])
    told = model.predict(x)[0]
    i = int(abs(told).argmax())
    print(
        f"\n{moment(begin + i)}: {week_before[0, i]:.2f} GW a week before, {told[i]:+.2f} told for this day, "
        f"{day[0, i] - week_before[0, i]:+.2f} came true.\nThe past half hours that say so:"
    )
    found = pl.attribution(model, x, output=i)
    then = [begin - WEEK + j * DAY for j in range(7)]
    labels = [f"{moment(j + k)}, {what}" for j in then for what in ("demand", "growth") for k in range(DAY)]
    listed(found, labels)
    return found


def listed(found: pl.Attribution, labels: Sequence[str], top: int = 6) -> None:
    """The largest contributions with their moments, and how the gradients were proved."""
    parts = found.contributions.reshape(-1)
    for i in abs(parts).argsort()[: -top - 1 : -1]:
        print(f"  {parts[i]:+.3f} GW  {labels[i]}")
    print(f"  {parts.sum():+.3f} GW  all of them; it told {found.output:+.3f}, and {found.baseline:+.3f} of zeros")
    print(str(found.report).splitlines()[0])


def moment(half_hour: int) -> str:
    """The day of the data, from 1, and the time; the data begins on a Monday."""
    day, rest = divmod(half_hour, DAY)
    return f"{WEEKDAYS[day % 7]} (day {day + 1}) {rest // 2:02}:{rest % 2 * 30:02}"


def main(arguments: Sequence[str] | None = None) -> pl.Attribution:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="4 epochs on every fourth day, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    demand = fetch.demand() / 1000
    end = len(demand) - HELD_OUT
    begins = np.arange(PAST, end - DAY + 1, 4 if quick else 1)
    model = trained(demand, begins, epochs=4 if quick else 20)
    midnights = np.arange(end, len(demand), DAY)
    x, day, week_before = samples(demand, midnights)
    errors = day - week_before - model.predict(x), day - week_before
    took = time.perf_counter() - started
    reached, to_beat = (1000 * abs(e).mean() for e in errors)
    print(
        f"a whole day ahead, mean error over the last {len(midnights)} days {reached:.0f} MW, to beat {to_beat:.0f} MW "
        f"(the same half hour of the week before); {took:.0f} s in all"
    )
    return explained(model, demand, int(midnights[-1]))


if __name__ == "__main__":
    main()
