#!/usr/bin/env python3
"""Carries a folder of collected price and shape facts over into this project's own format.

    python3 pricing-cache/import.py FOLDER
    python3 pricing-cache/import.py --regions FOLDER   lays regional price lists over the book (regions.py)
    python3 pricing-cache/import.py --manifests        only renews the digests after an edit by hand

FOLDER holds the collected CSV files (aws_service_prices.csv, ec2_on_demand_prices.csv, ...).
Run it from the repository root; it rewrites pricing-cache/<region>/*.csv, models/*.csv and both
manifests. It adds nothing of its own except what is marked `derived` with its reason.
"""

import collections
import csv
import hashlib
import io
import pathlib
import re
import sys

BOOK, MODELS = pathlib.Path("pricing-cache"), pathlib.Path("models")
COLUMNS = ["usage_type", "operation", "description", "unit", "begin_range", "end_range",
           "usd_per_unit", "pool", "billed_usage_type", "cost_explorer_service", "as_of",
           "source", "confidence", "note"]

# Billing prefixes as bill rows show them; models/regions.csv has them too, with the partner for disaster recovery.
PREFIXES = {"us-east-1": ["USE1"], "us-east-2": ["USE2"], "us-west-1": ["USW1"],
            "us-west-2": ["USW2"], "eu-west-1": ["EU", "EUW1"], "eu-west-2": ["EUW2"],
            "eu-west-3": ["EUW3"], "eu-central-1": ["EUC1"], "eu-north-1": ["EUN1"],
            "ap-southeast-1": ["APS1"], "ap-southeast-2": ["APS2"], "ap-south-1": ["APS3"],
            "ap-northeast-1": ["APN1"], "ap-northeast-2": ["APN2"], "ap-northeast-3": ["APN3"],
            "ca-central-1": ["CAN1"], "sa-east-1": ["SAE1"]}
# Offers that print USE1- in us-east-1; the older offers print no prefix there.
PREFIXED_IN_US_EAST_1 = {"AmazonEKS", "AmazonVPC", "awswaf", "AWSSystemsManager",
                         "AWSSecretsManager", "AmazonGuardDuty", "AWSCloudTrail", "AWSConfig"}


def manifest(root, skip=()):
    """Digests of every data file, sorted by path, so that a changed byte is found at load."""
    out = ["# Digests of the data files beside this one, checked when a file is loaded.",
           "# Written by pricing-cache/import.py or `runrate prices`; do not edit by hand.", ""]
    for p in sorted(root.rglob("*")):
        if p.suffix not in (".csv", ".json", ".toml") or p.name == "manifest.toml" or p.name in skip:
            continue
        body = p.read_bytes()
        out.append("[[file]]")
        out.append(f'path = "{p.relative_to(root).as_posix()}"')
        out.append(f'sha256 = "{hashlib.sha256(body).hexdigest()}"')
        if p.suffix == ".csv":
            data = list(csv.DictReader(io.StringIO(body.decode())))
            days = sorted(r["as_of"] for r in data if r.get("as_of"))
            out.append(f"rows = {len(data)}")
            if days:
                out.append(f'oldest = "{days[0]}"')
                out.append(f'newest = "{days[-1]}"')
        out.append("")
    (root / "manifest.toml").write_text("\n".join(out))


if sys.argv[1:2] == ["--regions"]:
    import regions
    regions.lay_over(pathlib.Path(sys.argv[2]), BOOK, MODELS, COLUMNS, PREFIXES)
if sys.argv[1:2] in (["--manifests"], ["--regions"]):
    manifest(BOOK)
    manifest(MODELS)
    sys.exit()
SRC = pathlib.Path(sys.argv[1])


def read(name):
    with open(SRC / name, newline="") as f:
        return list(csv.DictReader(f))


def bare(usage_type, region):
    """The usage type without the region prefix."""
    if usage_type.startswith(region + "-"):
        return usage_type[len(region) + 1:]
    for p in PREFIXES.get(region, []):
        if usage_type.startswith(p + "-"):
            return usage_type[len(p) + 1:]
    return usage_type


def billed(kind, region):
    return kind if region == "us-east-1" else f"{PREFIXES[region][0]}-{kind}"


def date(text, note=""):
    """An ISO date or its prefix; words around it move to the note."""
    m = re.search(r"\d{4}(-\d\d(-\d\d)?)?", text)
    iso = m.group(0) if m else ""
    extra = text if text and text != iso else ""
    return iso, "; ".join(x for x in (note, f"source dated: {extra}" if extra else "") if x)


book = collections.defaultdict(list)


def add(region, service, usage_type, operation, description, unit, begin, end, usd, raw, ce,
        as_of, source, confidence, note="", pool=""):
    as_of, note = date(as_of, note)
    book[region, service].append(dict(zip(COLUMNS, [
        usage_type, operation, description, unit, begin, end, usd, pool, raw, ce, as_of, source,
        confidence, note])))


# --- AWS services other than EC2 instances -------------------------------------------------
SPELLING = {  # one meter, two spellings in the sources: keep the bill's text, look up by one
    ("AWSSecretsManager", "AWSSecretsManager-Secret"): "AWSSecretsManager-Secrets"}
rows = read("aws_service_prices.csv")
index = {}
for r in rows:
    kind = bare(r["usage_type"], r["region"])
    kind = SPELLING.get((r["service_code"], kind), kind)
    egress = r["service_code"] == "AWSDataTransfer" and kind == "DataTransfer-Out-Bytes"
    pool = "internet-egress" if egress and r["begin_range"] == "0" else ""
    if r["service_code"] == "awskms" and r["usd_per_unit"] == "0":
        pool = "kms-requests"
    index[r["region"], r["service_code"], r["usage_type"], r["operation"], r["begin_range"]] = r
    add(r["region"], r["service_code"], kind, r["operation"], r["description"], r["unit"],
        r["begin_range"], r["end_range"], r["usd_per_unit"], r["usage_type"],
        r["cost_explorer_service"], r["as_of"], r["source"], r["confidence"], r["note"], pool)
for r in rows:  # the free step some sources leave out, stated in the same row's note
    if r["service_code"] == "awskms" and r["begin_range"] == "20000":
        key = (r["region"], r["service_code"], r["usage_type"], r["operation"], "0")
        if key not in index:
            add(r["region"], "awskms", bare(r["usage_type"], r["region"]), r["operation"],
                "free requests", r["unit"], "0", "20000", "0", r["usage_type"],
                r["cost_explorer_service"], r["as_of"], r["source"], "derived",
                "the source states the price above the 20,000 free requests a month", "kms-requests")
for r in read("aws_price_crosschecks.csv"):  # the second source of a figure, never the winner
    first = index[r["region"], r["service_code"], r["usage_type"], r["operation"], r["begin_range"]]
    kind = bare(r["usage_type"], r["region"])
    add(r["region"], r["service_code"], SPELLING.get((r["service_code"], kind), kind),
        r["operation"], first["description"], first["unit"], r["begin_range"], first["end_range"],
        r["second_usd"], r["usage_type"], first["cost_explorer_service"], "", r["second_source"],
        "crosscheck", "second source of the figure; the source column may state its date")

# --- EC2 instances ---------------------------------------------------------------------------
EC2, OTHER = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other"


def box(region, kind, itype, usd, as_of, source, confidence, note=""):
    name = f"{kind}:{itype}"
    add(region, "AmazonEC2", name, "RunInstances", "", "Hrs", "0", "Inf", usd,
        billed(name, region), EC2, as_of, source, confidence, note)


on_demand = {}
for r in read("ec2_on_demand_prices.csv"):
    metal = ".metal" in r["instance_type"] and r["region"] == "us-east-1"
    on_demand[r["region"], r["instance_type"]] = None if metal else r
    box(r["region"], "DedicatedUsage" if metal else "BoxUsage", r["instance_type"],
        r["usd_per_hour"], r["as_of"], r["source"], "exact",
        "the source's us-east-1 metal prices are dedicated tenancy" if metal else "")
averages = read("ec2_spot_avg_prices.csv")
for r in averages:  # the same source's on-demand side, where another source is newer
    newer = on_demand.get((r["region"], r["instance_type"]))
    if newer is None or newer["source"] != r["source"]:
        box(r["region"], "BoxUsage", r["instance_type"], r["on_demand_usd_per_hour"], r["as_of"],
            r["source"], "exact", "shared tenancy" if ".metal" in r["instance_type"] else "")
        if newer is None:
            on_demand[r["region"], r["instance_type"]] = dict(r, usd_per_hour=r["on_demand_usd_per_hour"])
advisor = read("ec2_spot_advisor.csv")
for r in advisor:
    base = on_demand.get((r["region"], r["instance_type"]))
    saving = int(r["savings_percent"])
    if base and saving > 0:  # 0 % marks a type with little or no spot supply
        usd = f"{round(float(base['usd_per_hour']) * (100 - saving) / 100, 6):.6f}"
        box(r["region"], "SpotUsage", r["instance_type"], usd, r["as_of"], r["source"], "derived",
            f"on-demand {base['usd_per_hour']} ({base['as_of']}) x (1 - {saving} %)")
for r in averages:
    box(r["region"], "SpotUsage", r["instance_type"], r["spot_avg_usd_per_hour"], r["as_of"],
        r["source"], "derived", "the source's on-demand price x (1 - a whole-percent saving)")
GP3 = {"storage": ("EBS:VolumeUsage.gp3", "GB-Mo"), "iops": ("EBS:VolumeP-IOPS.gp3", "IOPS-Mo"),
       "throughput": ("EBS:VolumeP-Throughput.gp3", "MiBps-Mo")}
for r in read("ec2_ebs_gp3_prices.csv"):
    kind, unit = GP3[r["component"]]
    add(r["region"], "AmazonEC2", kind, "", f"gp3 {r['component']}, {r['unit']}", unit, "0", "Inf",
        r["usd_per_unit"], billed(kind, r["region"]), OTHER, r["as_of"], r["source"], "exact")

# --- perpetual free parts, and charges that are nil ------------------------------------------
RULES = "collected billing rules, 2026-09 (public files; infracost goldens)"


def shift(bound, by):
    return bound if bound == "Inf" else str(int(float(bound)) + by)


def free(service, kinds, quantity, pool):
    """The first units of a month cost nothing, over all regions and kinds of the pool together."""
    for (region, known), data in book.items():
        if known != service:
            continue
        for kind in {r["usage_type"] for r in data} & set(kinds(region)):
            own = [r for r in data if r["usage_type"] == kind]
            for r in own:
                r["begin_range"], r["end_range"] = (shift(r[k], quantity) for k in ("begin_range", "end_range"))
            first = own[0]
            add(region, service, kind, first["operation"], "free part", first["unit"], "0", str(quantity),
                "0", first["billed_usage_type"], first["cost_explorer_service"], "2026-09", RULES,
                "exact", "free each month; the steps above it are counted from its end", pool)


free("AmazonCloudWatch", lambda r: ["CW:MetricMonitorUsage"], 10, "cloudwatch-metrics")
free("AmazonCloudWatch", lambda r: ["CW:AlarmMonitorUsage"], 10, "cloudwatch-alarms")
free("AmazonCloudWatch", lambda r: ["DataProcessing-Bytes"], 5, "cloudwatch-logs")
free("AmazonRoute53", lambda r: ["Health-Check-AWS"], 50, "route53-health-checks")
ZONES = ["US", "EU", "AP"]
free("AmazonCloudFront", lambda r: [f"{z}-DataTransfer-Out-Bytes" for z in ZONES], 1024, "cloudfront-egress")
free("AmazonCloudFront", lambda r: [f"{z}-Requests-Tier{t}" for z in ZONES for t in ("1", "2-HTTPS")],
     10_000_000, "cloudfront-requests")
# Extended support is priced by the vCPU, whatever the major version; the source quotes one.
[quoted] = [r for r in book["us-east-1", "AmazonRDS"] if r["usage_type"].startswith("ExtendedSupport")
            and r["confidence"] != "crosscheck"]
for major in (12, 13, 14, 15, 16):
    kind = f"ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL{major}"
    add("us-east-1", "AmazonRDS", kind, "", quoted["description"], quoted["unit"], "0", "Inf",
        quoted["usd_per_unit"], kind, quoted["cost_explorer_service"], quoted["as_of"], quoted["source"],
        "derived", "the rate of version 11; the usage type ends in the engine's major version")
# Auto Mode adds about 12 % of the on-demand rate, whatever the type (billing rules, "EKS"); three types are
# quoted, the others follow.
quoted = {r["usage_type"] for r in book["us-east-1", "AmazonEKS"]}
for (region, itype), r in on_demand.items():
    kind = f"EKS-Auto:{itype}-management-hours"
    if region == "us-east-1" and r and ".metal" not in itype and kind not in quoted:
        usd = f"{float(r['usd_per_hour']) * 0.12:.6f}"
        add(region, "AmazonEKS", kind, "", "Auto Mode fee", "Hours", "0", "Inf", usd, f"USE1-{kind}",
            "Amazon Elastic Container Service for Kubernetes", r["as_of"], RULES, "derived",
            f"12 % of the on-demand rate {r['usd_per_hour']}")
# Free in every region, stated for one: without a row in the others a plan there could not say so.
for region in ["us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1"]:
    for service, kind, unit, ce in [
            ("AWSCertificateManager", "FreePublicCertificate", "Certificates", "AWS Certificate Manager"),
            ("AWSSystemsManager", "PS-Standard-Param", "Hrs", "AWS Systems Manager"),
            ("AmazonVPC", "VpcEndpoint-Gateway", "Hrs", "Amazon Virtual Private Cloud"),
            ("AWSCloudTrail", "FreeEventsRecorded", "Events", "AWS CloudTrail")]:
        add(region, service, kind, "", "no charge", unit, "0", "Inf", "0", billed(kind, region), ce,
            "2026-09", RULES, "derived", "no charge in any region; the source states it for us-east-1")

# us-west-2 equals us-east-1 on every line that the sources compare; what no source states for it is taken
# over as derived, so that the region can be planned and every plan there says so.
for (region, service), data in list(book.items()):
    if region != "us-east-1":
        continue
    known = {r["usage_type"] for r in book.get(("us-west-2", service), [])}
    for r in list(data):
        instance = r["usage_type"].split(":")[0] in (
            "BoxUsage", "SpotUsage", "DedicatedUsage", "InstanceUsage", "InstanceUsageIOOptimized")
        if r["usage_type"] in known or instance or r["confidence"] == "crosscheck" \
                or r["usage_type"].endswith("-AWS-Out-Bytes"):
            continue
        kind = r["usage_type"]
        raw = f"us-west-2-{kind}" if service == "awskms" else billed(kind, "us-west-2")
        add("us-west-2", service, kind, r["operation"], r["description"], r["unit"], r["begin_range"],
            r["end_range"], r["usd_per_unit"], raw, r["cost_explorer_service"], r["as_of"], r["source"],
            "derived", "the us-east-1 price; the sources find us-west-2 equal on every line compared",
            r["pool"])

# --- other vendors ---------------------------------------------------------------------------
for r in read("datadog_prices.csv"):
    name = ":".join([r["sku"], r["plan"], r["billing"]])
    note = "; ".join(x for x in (r["note"], f"allotment: {r['allotment']}" if r["allotment"] else "",
                                 f"metered: {r['billing_rule']}" if r["billing_rule"] else "") if x)
    add("global", "Datadog", name, "", r["sku"], r["unit"], "0", "Inf", r["usd"], name, "Datadog",
        r["as_of"], r["source"], r["confidence"], note)
plans = []
for r in read("other_prices.csv"):
    if r["item"].startswith("actions_included"):
        plans.append(r)
    elif r["vendor"] == "GitHub":
        name = f"{r['item']}:{r['plan']}"
        add("global", "GitHubActions", name, "", r["item"], r["unit"].replace("USD/", ""),
            r["begin_range"], r["end_range"], r["value"], name, "GitHub Actions", r["as_of"],
            r["source"], "exact", r["note"])
    else:
        name = f"{r['item']}:{r['plan']}"
        add("global", "AWSSupport", name, "", r["unit"], "USD", r["begin_range"], r["end_range"],
            r["value"], name, f"AWS Support ({r['plan']})", r["as_of"], r["source"], "exact", r["note"])
        if r["begin_range"] == "0":
            least = f"support_minimum:{r['plan']}"
            add("global", "AWSSupport", least, "", "least monthly charge", "Months", "0", "Inf",
                r["min_usd"], least, f"AWS Support ({r['plan']})", r["as_of"], r["source"],
                "exact", r["note"])


def number(text):
    return float("inf") if text == "Inf" else float(text)


def write(path, columns, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    w = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="raise")
    w.writeheader()
    w.writerows(data)
    path.write_text(out.getvalue())


for (region, service), data in book.items():
    data.sort(key=lambda r: (r["usage_type"], r["operation"], number(r["begin_range"]),
                             r["as_of"], r["source"]))
    write(BOOK / region / f"{service}.csv", COLUMNS, data)

# --- commitments -----------------------------------------------------------------------------
COMMIT = ["instance_type", "term", "payment_option", "plan_kind", "usd_per_hour",
          "on_demand_usd_per_hour", "as_of", "source", "note"]
rows = [dict({k: r[k] for k in COMMIT if k in r}, note="effective hourly price")
        for r in read("ec2_savings_plans.csv")]
write(BOOK / "us-east-1" / "AmazonEC2.commitments.csv", COMMIT, rows)
classes = read("aurora_instance_classes.csv")
rows = []
for r in classes:
    if r["ri_3yr_effective_usd_hr"]:
        as_of = re.search(r"(\d{4}-\d\d-\d\d) \(reserved\)", r["as_of"])
        rows.append(dict(instance_type=r["class"], term="3yr", payment_option="all-upfront",
                         plan_kind="reserved-db-instance", usd_per_hour=r["ri_3yr_effective_usd_hr"],
                         on_demand_usd_per_hour=r["aurora_standard_usd_hr_us_east_1"],
                         as_of=as_of.group(1) if as_of else "", source=r["source"],
                         note=f"annual cost {r['ri_3yr_all_upfront_annual_usd']} / 8760 h"))
write(BOOK / "us-east-1" / "AmazonRDS.commitments.csv", COMMIT, rows)

# --- models ----------------------------------------------------------------------------------
types = read("ec2_instance_types.csv")
NOTE = "EC2 instance-type documentation as named per row"
for r in types:
    r["as_of"] = "2026-08-22" if "moto" in r["sources"] else "2026-08-21"
    r["source"] = r.pop("sources")
write(MODELS / "ec2.csv", list(types[0]), types)
for region in {r["region"] for r in advisor}:
    write(MODELS / "spot" / f"{region}.csv", ["instance_type", "savings_percent", "interruption_bucket", "as_of", "source"],
          [{k: r[k] for k in ("instance_type", "savings_percent", "interruption_bucket", "as_of", "source")}
           for r in advisor if r["region"] == region])
write(MODELS / "spot_price_history.csv", *(lambda d: (list(d[0]), d))(read("ec2_spot_price_history.csv")))
write(MODELS / "github_actions.csv", list(plans[0]), plans)
# Connections as the Aurora user guide's table states them: the class memory the formula uses is
# below the nominal size, so the formula on nominal memory would promise too many.
GUIDE = {"db.t3.medium": 405, "db.t4g.medium": 405, "db.t3.large": 844, "db.t4g.large": 844}
BY_MEMORY = {16: 1722, 32: 3479}
AURORA = ["class", "billing_class", "family", "arch", "vcpu", "memory_gib", "max_connections",
          "as_of", "source", "note"]
rows = []
for r in classes:
    gib = float(r["memory_gib"])
    n = GUIDE.get(r["class"]) or BY_MEMORY.get(int(gib)) or (5000 if gib >= 64 else None)
    note = "max_connections: table of the Aurora user guide (AuroraPostgreSQL.Managing)"
    rows.append(dict(zip(AURORA, [r["class"], r["billing_class"], r["family"], r["arch"], r["vcpu"],
                                  r["memory_gib"], n or r["max_connections_default"],
                                  date(r["as_of"])[0], r["source"],
                                  note + (f"; {r['note']}" if r["note"] else "")])))
# Families that Aurora sells and no source here prices: `prices refresh` takes their prices in.
EC2 = {r["instance_type"]: r for r in types}
for family, arch in (("r7i", "x86_64"), ("r8gd", "arm64")):
    for size in ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"):
        shape = EC2[f"{family}.{size}"]
        gib = int(float(shape["memory_mib"])) // 1024
        rows.append(dict(zip(AURORA, [
            f"db.{family}.{size}", f"db.{family}.{size.replace('xlarge', 'xl')}", family, arch, shape["vcpus"], gib,
            BY_MEMORY.get(gib, 5000), "2025",
            'Aurora user guide, "Hardware specifications for DB instance classes for Aurora": vCPUs and memory of the EC2 '
            "family, models/ec2.csv",
            "max_connections: table of the Aurora user guide (AuroraPostgreSQL.Managing), by memory; the built-in price "
            "book has no price of the family: prices refresh adds it where the region sells it"])))
write(MODELS / "aurora.csv", AURORA, rows)

manifest(BOOK)
manifest(MODELS)
