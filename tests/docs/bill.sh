#!/bin/sh
# Bills for docs/guide-finance.md: what scenario.toml costs where users do more than it says, with a price of egress that
# it does not know and a support fee that it does not plan. Writes winter.csv and spring.csv.
set -eu
sed -e 's/^sessions_per_user = 10$/sessions_per_user = 11.5/' -e 's/^response_kib = 5$/response_kib = 6.5/' \
    -e 's/^storage_mib_per_user = 0.2$/storage_mib_per_user = 0.35/' scenario.toml >truth.toml
runrate plan truth.toml --trials 1 -q --out truth >/dev/null 2>&1
write() {
    awk -F, -v OFS=, -v from="$1" -v to="$2" '
        NR == 1 { print "month,account,service,region,usage_type,operation,quantity,cost,currency" }
        NR > 1 && $1 >= from && $1 <= to {
            # Each line strays by up to 2 % from what the model computes.
            stray = $8 == int($8) ? 1 : 1 + 0.02 * sin(7.3 * NR)
            cost = $10 * stray
            if ($4 == "AWSDataTransfer" && $12 ~ /Out-Bytes/) cost *= 0.93
            printf "%s,111122223333,%s,%s,%s,%s,%s,%.4f,USD\n", $1, $4, $3, $12, $6, $8 * stray, cost
            if (!($1 in seen)) printf "%s,111122223333,AWS Support,global,,,,29.00,USD\n", $1
            seen[$1] = 1
        }' truth/ledger.csv
}
write 2027-01 2027-04 >winter.csv
write 2027-05 2027-06 >spring.csv
rm -r truth truth.toml
