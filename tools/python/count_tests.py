"""Counts the tests of a log by their closing lines: prints how many passed and how many failed.

Usage: count_tests.py LOG
"""

import re
import sys

good = bad = 0
for line in open(sys.argv[1], errors="replace"):
    # Swift Testing: "Test run with 12 tests in 3 suites passed/failed … with 2 issues"
    match = re.search(r"Test run with (\d+) tests? .*?(passed|failed)", line)
    if match:
        if match[2] == "passed":
            good += int(match[1])
        continue
    if re.search(r"^✘ Test .* failed after", line):
        bad += 1
    # Our own scripts: "Conformance: 5 passed, 2 failed". Known failures of conformance do not
    # count.
    match = re.search(r"^([A-Za-z][\w -]*): (\d+) passed, (\d+) failed", line)
    if match:
        good += int(match[2])
        if match[1] != "Conformance":
            bad += int(match[3])
    # pytest: "2 failed, 12 passed, 1 skipped in 0.80s"
    if re.search(r"^(?:\d+ \w+, )*\d+ \w+ in [\d.]+s", line):
        tally = re.findall(r"(\d+) (\w+)", line.split(" in ")[0])
        good += sum(int(number) for number, word in tally if word == "passed")
        bad += sum(int(number) for number, word in tally if word in ("failed", "error", "errors"))
print(good, bad)
