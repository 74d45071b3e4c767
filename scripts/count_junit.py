"""Prints "PASSED FAILED" for a JUnit file of ctest or pytest. A skipped test is neither."""

import sys
import xml.etree.ElementTree as ElementTree


def main() -> None:
    passed = failed = 0
    for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
        status = case.get("status", "run")  # ctest says "run", "fail", "notrun" or "disabled"
        if case.find("failure") is not None or case.find("error") is not None or status == "fail":
            failed += 1
        elif case.find("skipped") is None and status == "run":
            passed += 1
    print(passed, failed)


if __name__ == "__main__":
    main()
