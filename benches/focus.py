#!/usr/bin/env python3
"""Ten million rows of a FOCUS bill, and what it takes others and runrate to sum them up.

    pip install duckdb polars pyarrow numpy pytz
    cargo build --release
    python3 benches/focus.py [ROWS] [FOLDER]

Writes focus.csv and focus.parquet (seeded: the same rows every time), then prints CPU seconds, wall
seconds and peak memory of DuckDB, Polars and `runrate actuals import`, the median of five runs each:
sums of cost by account x service x usage type x month.

The first line, `true`, is the least that the memory column can show: Linux counts the peak of the process
that starts a program into that program's peak. The generator therefore runs in a process of its own.

RUNS=1 sets the number of runs, RUNRATE=target/debug/runrate another binary."""

import os, pathlib, statistics, subprocess, sys, time

RUNS = int(os.environ.get("RUNS", 5))
ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
FOLDER = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/focus")
ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNRATE = os.environ.get("RUNRATE", str(ROOT / "target/release/runrate"))

KEYS = ["SubAccountId", "ServiceName", "x_UsageType", "BillingPeriodStart"]

DUCK = """import duckdb
duckdb.sql("SELECT SubAccountId, ServiceName, x_UsageType, BillingPeriodStart, sum(BilledCost), "
           "sum(EffectiveCost), sum(ConsumedQuantity) FROM '{file}' GROUP BY ALL").fetchall()"""

POLARS = """import polars as pl
frame = pl.scan_{kind}('{file}')
frame.group_by({keys}).agg(pl.col('BilledCost', 'EffectiveCost', 'ConsumedQuantity').sum()) \\
    .collect(engine='streaming')"""


def generate():
    import numpy as np, polars as pl

    draws = np.random.default_rng(7)
    services = [("Amazon Elastic Compute Cloud", "AmazonEC2"), ("Amazon Simple Storage Service", "AmazonS3"),
                ("Amazon Relational Database Service", "AmazonRDS"), ("AmazonCloudWatch", "AmazonCloudWatch"),
                ("Elastic Load Balancing", "AWSELB"), ("AWS Key Management Service", "awskms")]
    types = {service: [f"{code}-Usage:{kind}" for kind in range(50)] for service, code in services}
    names = [(service, kind) for service, _ in services for kind in types[service]]
    accounts = [f"{111111111111 + 7 * n}" for n in range(40)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    parts, size = [], 1_000_000
    for start in range(0, ROWS, size):
        count = min(size, ROWS - start)
        hour = np.sort(draws.integers(0, 12 * 30 * 24, count))
        month = hour // (30 * 24)
        name = draws.integers(0, len(names), count)
        cost = np.round(draws.lognormal(-4, 2, count), 10)
        quantity = np.round(draws.lognormal(0, 2, count), 6)
        first = np.array([np.datetime64(f"2027-{m + 1:02d}-01T00:00:00", "us") for m in range(12)])
        last = np.array([np.datetime64(f"{2027 + (m + 1) // 12}-{(m + 1) % 12 + 1:02d}-01T00:00:00", "us") for m in range(12)])
        begin = first[month] + (hour % (27 * 24)) * np.timedelta64(3_600_000_000, "us")
        parts.append(pl.DataFrame({
            "BillingAccountId": pl.Series(["999999999999"] * count),
            "SubAccountId": pl.Series(accounts).gather(draws.integers(0, len(accounts), count)),
            "BillingPeriodStart": first[month], "BillingPeriodEnd": last[month],
            "ChargePeriodStart": begin, "ChargePeriodEnd": begin + np.timedelta64(3_600_000_000, "us"),
            "ChargeCategory": pl.Series(["Usage"] * count),
            "ServiceName": pl.Series([names[n][0] for n in range(len(names))]).gather(name),
            "RegionId": pl.Series(["us-east-1", "us-west-2", "eu-west-1"]).gather(name % 3),
            "x_UsageType": pl.Series([names[n][1] for n in range(len(names))]).gather(name),
            "BilledCost": cost, "EffectiveCost": cost, "ListCost": np.round(cost * 1.1, 10),
            "ConsumedQuantity": quantity, "ConsumedUnit": pl.Series(["Hours"] * count),
            "BillingCurrency": pl.Series(["USD"] * count),
        }))
        print(f"\r{start + count:,} rows", end="", file=sys.stderr)
    frame = pl.concat(parts)
    frame.write_parquet(FOLDER / "focus.parquet", row_group_size=250_000)
    frame.write_csv(FOLDER / "focus.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    print(file=sys.stderr)


def measure(command):
    """CPU seconds, wall seconds, peak memory [MB] of one run in a process of its own."""
    start = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed: {process.stderr.read().decode()[-400:]}")
    return used.ru_utime + used.ru_stime, time.time() - start, used.ru_maxrss / 1024


def show(name, command):
    runs = [measure(command) for _ in range(RUNS)]
    cpu, wall, memory = (statistics.median(run[place] for run in runs) for place in range(3))
    print(f"{name:<28}{cpu:>8.2f} s CPU{wall:>8.2f} s wall{memory:>9.0f} MB", flush=True)


if sys.argv[3:] == ["generate"]:
    generate()
    sys.exit()
if not (FOLDER / "focus.csv").exists() or not (FOLDER / "focus.parquet").exists():
    subprocess.run([sys.executable, __file__, str(ROWS), str(FOLDER), "generate"], check=True)
show("true", ["true"])
for kind in ["parquet", "csv"]:
    file = FOLDER / f"focus.{kind}"
    print(f"{file.name}: {file.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores")
    show("  DuckDB", [sys.executable, "-c", DUCK.format(file=file)])
    show("  Polars", [sys.executable, "-c", POLARS.format(file=file, kind=kind, keys=KEYS)])
    show("  runrate", [RUNRATE, "actuals", "import", str(file), "--actuals", str(FOLDER / f"kept-{kind}")])
