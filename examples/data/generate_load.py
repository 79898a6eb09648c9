#!/usr/bin/env python3
"""Writes hourly_load.csv: six weeks of API requests an hour of an imaginary shop, from a fixed seed.

    python3 examples/data/generate_load.py > examples/data/hourly_load.csv
"""

import datetime
import math
import random

random.seed(20270104)
start = datetime.datetime(2026, 11, 2)  # a Monday
print("hour_utc,requests")
for hour in range(6 * 7 * 24):
    at = start + datetime.timedelta(hours=hour)
    day = math.exp(0.9 * math.cos((at.hour - 18) / 24 * math.tau))
    week = (1.0, 0.98, 1.0, 1.03, 1.1, 1.25, 1.2)[at.weekday()]
    growth = 1.02 ** (hour / 168)
    noise = random.lognormvariate(0, 0.06)
    print(f"{at:%Y-%m-%dT%H:%M},{round(52_000 * day * week * growth * noise)}")
