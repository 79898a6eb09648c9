"""Lays regional price lists over the book: `python3 pricing-cache/import.py --regions FOLDER`.

FOLDER holds list_prices.csv (list prices by region, with all steps), reserved_no_upfront.csv and
spot_advisor.csv. A second run changes nothing. The rules:

1. A meter that the book has at the same prices keeps its rows, except that rows marked `derived` become the
   list's `exact` ones, and that a list's later reading takes the place of an earlier one.
2. Where prices or steps differ, the list's steps take the place of the book's; CORRECTED names each such meter
   whose old row was read elsewhere, so that no price moves unnoticed. A list without the book's free step
   (CloudFront, Route 53) changes nothing.
3. What no list has is derived, and says how: DERIVED below, EKS Auto Mode, spot prices.
4. Of several derived spot prices of one type the newest stays.
"""

import collections
import csv
import io

FREE_POOLS = {  # first steps that cost nothing, summed over regions and meters
    ("AWSDataTransfer", "DataTransfer-Out-Bytes"): "internet-egress",
    ("AmazonCloudWatch", "CW:MetricMonitorUsage"): "cloudwatch-metrics",
    ("AmazonCloudWatch", "CW:AlarmMonitorUsage"): "cloudwatch-alarms",
    ("AmazonCloudWatch", "DataProcessing-Bytes"): "cloudwatch-logs",
    ("awskms", "KMS-Requests"): "kms-requests",
}
COMPUTE, OTHER = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other"
# Rows that were read in other sources and that AWS's own files contradict. `*` stands for a region.
CORRECTED = {
    ("*", "BoxUsage:p4d.24xlarge"): "price cut of 2025-06",
    ("*", "BoxUsage:p4de.24xlarge"): "price cut of 2025-06",
    ("us-east-1", "InstanceUsage:db.r6g.8xl"): "0.001 too low",
    ("us-east-1", "InstanceUsage:db.r6g.12xl"): "0.001 too low",
    ("us-east-1", "InstanceUsage:db.r6g.16xl"): "0.002 too low",
    ("us-east-1", "TimedStorage-INT-FA-ByteHrs"): "first step only",
    ("ap-southeast-1", "RequestV2-Tier1"): "was read from the 48 KB surcharge",
}
RULES = "collected billing rules, 2026-09 (public files; infracost goldens)"
BILLED_WITHOUT_PREFIX = {"DashboardsUsageHour-Basic"}


def number(text):
    return float("inf") if text == "Inf" else float(text)


def begin(row):
    return number(row["begin_range"])


def ladder(rows):
    return [(begin(r), number(r["end_range"]), float(r["usd_per_unit"])) for r in sorted(rows, key=begin)]


def best(rows):
    """The rows in use, by the rule of src/facts/prices.rs."""
    rows = [r for r in rows if r["confidence"] != "crosscheck"]
    rows.sort(key=lambda r: r["as_of"], reverse=True)
    rows.sort(key=lambda r: r["confidence"] == "derived")
    taken = []
    for r in rows:
        if not any(begin(r) < number(t["end_range"]) and begin(t) < number(r["end_range"]) for t in taken):
            taken.append(r)
    return sorted(taken, key=begin)


def read(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def write(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    w = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    w.writeheader()
    w.writerows(rows)
    path.write_text(out.getvalue())


def lay_over(folder, root, models, columns, prefixes):
    book = collections.defaultdict(list)
    for path in sorted(root.glob("*/*.csv")):
        if "." not in path.stem:
            book[path.parent.name, path.stem] = read(path)
    meters = collections.defaultdict(list)
    for r in read(folder / "list_prices.csv"):
        meters[r["region"], r["service_code"], r["usage_type"], r["operation"]].append(r)

    shapes = {r["instance_type"] for r in read(models / "ec2.csv")}

    # How the book speaks of a meter: the row of us-east-1, or of the world.
    words, names = {}, {}
    for region in ("us-east-1", "global"):
        for (known, service), rows in book.items():
            if known == region:
                for r in rows:
                    if r["confidence"] != "crosscheck":
                        words.setdefault((service, r["usage_type"], r["operation"], r["begin_range"]), r)
                    names.setdefault(service, r["cost_explorer_service"])

    def service_name(service, usage_type):
        if service == "AmazonEC2":
            box = usage_type.split(":")[0] in ("BoxUsage", "SpotUsage", "DedicatedUsage")
            return COMPUTE if box else OTHER
        return names[service]

    def billed(usage_type, region):
        if region == "us-east-1" or usage_type in BILLED_WITHOUT_PREFIX:
            return usage_type
        return f"{prefixes[region][0]}-{usage_type}"

    def row(region, service, usage_type, operation, step, raw, source, as_of, confidence, note):
        """A row of the book; step is (begin, end, price, unit)."""
        known = words.get((service, usage_type, operation, step[0]))
        free = float(step[2]) == 0 and step[1] != "Inf"
        description = known["description"] if known else ""
        if usage_type.endswith("-AWS-Out-Bytes"):
            [to] = [r for r, p in prefixes.items() if p[0] == usage_type.split("-")[0]]
            description = f"{region} to {to} transfer"
        return dict(
            usage_type=usage_type, operation=operation,
            description="free part" if free else description,
            unit=known["unit"] if known else step[3], begin_range=step[0], end_range=step[1],
            usd_per_unit=step[2], pool=FREE_POOLS.get((service, usage_type), "") if free else "",
            billed_usage_type=raw, cost_explorer_service=service_name(service, usage_type), as_of=as_of,
            source=source, confidence=confidence, note=note)

    # The dashboard's name on bills (CloudWatch user guide, "CloudWatch billing and cost").
    for (_, service), rows in book.items():
        for r in rows:
            if service == "AmazonCloudWatch" and r["usage_type"] == "DashboardsUsageHour":
                r.update(usage_type="DashboardsUsageHour-Basic", billed_usage_type="DashboardsUsageHour-Basic",
                         unit="Dashboards")
            if service == "awswaf" and r["usage_type"] == "RequestV2-Tier1" and "48KB" in r["billed_usage_type"]:
                r["usage_type"] = "RequestV2-48KB"

    # Rules 1 and 2.
    for (region, service, usage_type, operation), listed in meters.items():
        rows = book[region, service]
        same = [r for r in rows if r["usage_type"] == usage_type and r["operation"] in (operation, "")]
        own = [r for r in same if r["operation"] == operation and r["confidence"] != "crosscheck"]
        now = best(own)
        if now and ladder(now)[0][2] == 0 and begin(min(listed, key=begin)) > 0:
            continue  # the list leaves the free step out
        exact = now and all(r["confidence"] == "exact" for r in now)
        same_prices = ladder(now) == ladder(listed)
        derived = all(r["confidence"] == "derived" for r in listed)
        steps = {ladder([o])[0]: o for o in now if o["confidence"] == "exact"}
        kept = {ladder([r])[0]: o for r in listed for o in [steps.get(ladder([r])[0])]
                if o and (r["confidence"] == "derived" or o["as_of"] >= r["as_of"])}
        if same_prices and (len(kept) == len(listed) or derived):
            continue
        if now and exact and not same_prices:
            known = {("*", usage_type), (region, usage_type)} & set(CORRECTED)
            if not known:
                raise SystemExit(f"{region} {service} {usage_type}: {ladder(now)} differs from {ladder(listed)}")
        replaced = [r for r in same if r["confidence"] != "crosscheck"] if operation else own
        prices = {float(r["usd_per_unit"]) for r in listed}
        crosschecks = [r for r in same if r["confidence"] == "crosscheck" and float(r["usd_per_unit"]) not in prices]
        drop = {id(r) for r in replaced + crosschecks}
        rows[:] = [r for r in rows if id(r) not in drop]
        for r in listed:
            raw = r["billed_usage_type"]
            if region == "us-east-1":
                prefixed = usage_type.endswith("-AWS-Out-Bytes") or usage_type == "S3-Egress-Bytes"
                raw = now[0]["billed_usage_type"] if now else f"USE1-{usage_type}" if prefixed else raw
            rows.append(kept.get(ladder([r])[0]) or row(
                region, service, usage_type, operation,
                (r["begin_range"], r["end_range"], r["usd_per_unit"], r["unit"]),
                raw, r["source"], r["as_of"], r["confidence"], r["note"]))

    # The free part that the zones of CloudFront share, for those that the list adds.
    free = next(r for r in book["global", "AmazonCloudFront"]
                if r["usage_type"] == "US-Requests-Tier1" and r["begin_range"] == "0")
    zones = book["global", "AmazonCloudFront"]
    for r in [r for r in zones if "-Requests-Tier" in r["usage_type"]]:
        if not any(o["usage_type"] == r["usage_type"] and o["begin_range"] == "0" for o in zones):
            zones.append(dict(free, usage_type=r["usage_type"], billed_usage_type=r["billed_usage_type"]))

    # Rule 3.
    def derive(region, service, usage_type, price, unit, model, note):
        if any(r["usage_type"] == usage_type for r in book[region, service]):
            return
        raw = f"{region}-{usage_type}" if service == "awskms" else billed(usage_type, region)
        book[region, service].append(row(region, service, usage_type, "", ("0", "Inf", price, unit), raw,
                                         model["source"], model["as_of"], "derived", note))

    def of(region, service, usage_type):
        return best([r for r in book[region, service] if r["usage_type"] == usage_type])

    for region in prefixes:
        board = of("us-east-1", "AmazonCloudWatch", "DashboardsUsageHour-Basic")[0]
        derive(region, "AmazonCloudWatch", "DashboardsUsageHour-Basic", board["usd_per_unit"], "Dashboards", board,
               "the us-east-1 price")
        support = of(region, "AmazonRDS", "ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL12")[0]
        for major in (13, 14, 15, 16):
            derive(region, "AmazonRDS", f"ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL{major}", support["usd_per_unit"],
                   "vCPU-Hours", support, "the rate of version 12")
        boxes = [r for r in book[region, "AmazonEC2"]
                 if r["usage_type"].startswith("BoxUsage:") and r["confidence"] != "crosscheck"]
        on_demand = {}
        for r in boxes:
            on_demand.setdefault(r["usage_type"].split(":")[1], []).append(r)
        on_demand = {kind: best(rows)[0] for kind, rows in on_demand.items()}
        for kind, r in sorted(on_demand.items()):
            if kind in shapes and ".metal" not in kind:
                fee = f"{round(float(r['usd_per_unit']) * 0.12, 6):.6f}"
                derive(region, "AmazonEKS", f"EKS-Auto:{kind}-management-hours", fee, "Hours",
                       dict(r, source=RULES), "12 % of the on-demand price")
        spots(region, book[region, "AmazonEC2"], on_demand,
              [r for r in advisor(folder) if r["region"] == region], row, billed)

    for (region, service), rows in book.items():
        rows.sort(key=lambda r: (r["usage_type"], r["operation"], begin(r), r["as_of"], r["source"]))
        write(root / region / f"{service}.csv", columns, rows)
    reserved(folder, root)
    for region in sorted({r["region"] for r in advisor(folder)}):
        write(models / "spot" / f"{region}.csv",
              ["instance_type", "savings_percent", "interruption_bucket", "as_of", "source"],
              sorted((r for r in advisor(folder) if r["region"] == region), key=lambda r: r["instance_type"]))


CACHE = {}


def advisor(folder):
    return CACHE.setdefault(folder, read(folder / "spot_advisor.csv"))


def spots(region, rows, on_demand, supply, row, billed):
    """Spot prices from the advisor's savings, where the book has none; the newest of several (rules 3 and 4)."""
    known = collections.defaultdict(list)
    for r in rows:
        if r["usage_type"].startswith("SpotUsage:") and r["confidence"] != "crosscheck":
            known[r["usage_type"]].append(r)
    drop = set()
    for usage_type, own in known.items():
        base = on_demand.get(usage_type.split(":")[1])
        stay = best(own)
        cut = {("*", f"BoxUsage:{usage_type.split(':')[1]}")} & set(CORRECTED)
        # The base price was corrected: the saving holds for the new one.
        if base and cut and f"on-demand {base['usd_per_unit']} " not in stay[0]["note"]:
            stay = []
        drop |= {id(r) for r in own} - {id(r) for r in stay}
    rows[:] = [r for r in rows if id(r) not in drop]
    have = {r["usage_type"] for r in rows}
    for s in supply:
        base, saving = on_demand.get(s["instance_type"]), int(s["savings_percent"])
        usage_type = f"SpotUsage:{s['instance_type']}"
        if base and saving > 0 and usage_type not in have:  # 0 % marks a type with little or no supply
            usd = f"{round(float(base['usd_per_unit']) * (100 - saving) / 100, 6):.6f}"
            rows.append(row(region, "AmazonEC2", usage_type, "RunInstances", ("0", "Inf", usd, "Hrs"),
                            billed(usage_type, region), s["source"], s["as_of"], "derived",
                            f"on-demand {base['usd_per_unit']} ({base['as_of']}) x (1 - {saving} %)"))


def reserved(folder, root):
    """No-upfront rates, one line a type: <region>/AmazonEC2.no_upfront.csv."""
    regions = collections.defaultdict(lambda: collections.defaultdict(dict))
    for r in read(folder / "reserved_no_upfront.csv"):
        kind = r["plan_kind"].removesuffix("-ri") + "_" + r["term"]
        line = regions[r["region"]][r["instance_type"]]
        line.update({kind: r["usd_per_hour"], "instance_type": r["instance_type"], "as_of": r["as_of"],
                     "on_demand": r["on_demand_usd_per_hour"],
                     "source": f"yeo/ec2.shop@74c9fd8ab5ac:data/ec2/{r['region']}-reservedinstance*.json"})
    columns = ["instance_type", "on_demand", "standard_1yr", "standard_3yr", "convertible_1yr", "convertible_3yr",
               "as_of", "source"]
    for region, lines in regions.items():
        write(root / region / "AmazonEC2.no_upfront.csv", columns, [lines[k] for k in sorted(lines)])
