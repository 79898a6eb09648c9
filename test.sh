#!/usr/bin/env bash
# Passes all tests, those with a browser and a spreadsheet program too: installs what these need where it can
# (Debian's packages), and says what it leaves out where it cannot.
set -euo pipefail
cd "$(dirname "$0")"
declare -A package=([chromium]=chromium [soffice]=libreoffice-calc [pdftotext]=poppler-utils)
missing=()
for program in "${!package[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
if [ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    echo "installing ${missing[*]}" >&2
    if "${as_root[@]}" apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
            --no-install-recommends "${missing[@]}" >/dev/null; then
        missing=()
    fi
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "without ${missing[*]}: tests that need them say so and are left out" >&2
else
    export RUNRATE_TEST_EVERYTHING=1
fi
# A choice of tests is a developer's loop: built as fast as can be. All of them: unit tests too, but the suite plans
# for minutes and is faster with a program that was optimised a little, the time to build that included.
[ $# -eq 0 ] || exec cargo test --no-fail-fast "$@"
optimised=(--config 'profile.test.package.runrate.opt-level = 1')
failed=0
cargo test --no-fail-fast --lib --bins || failed=1
cargo test --no-fail-fast "${optimised[@]}" --test suite || failed=1
cargo test --no-fail-fast "${optimised[@]}" --doc || failed=1
exit $failed
