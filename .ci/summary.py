"""Add up the junit reports of a folder: `ci: 12 passed, 0 failed, 1 skipped`."""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

total: Counter[str] = Counter()
for report in Path(sys.argv[1]).glob("*.xml"):
    for suite in ET.parse(report).iter("testsuite"):
        total.update(
            {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        )
failed = total["failures"] + total["errors"]
passed = total["tests"] - failed - total["skipped"]
print(f"ci: {passed} passed, {failed} failed, {total['skipped']} skipped")
