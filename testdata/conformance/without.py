#!/usr/bin/env python3
"""Print the recorded cases without those of connectors that are not bundled.

    without.py CASES.jsonl CONNECTOR...

Cases whose topic is the connector are left out, and so are its commands where a case lists a whole catalog. Everything
else stays as it was recorded.
"""
import json
import sys


def main():
    path, absent = sys.argv[1], sys.argv[2:]
    topics = {name.removesuffix("_v2") for name in absent}
    with open(path, encoding="utf-8") as cases:
        for line in cases:
            case = json.loads(line)
            if case["topic"] in topics:
                continue
            expect = case.get("expect") or {}
            if "catalog" in expect:
                expect["catalog"] = [c for c in expect["catalog"] if c["id"].split("/")[0] not in absent]
            print(json.dumps(case))


if __name__ == "__main__":
    main()
