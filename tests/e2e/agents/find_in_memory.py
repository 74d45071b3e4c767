"""Says which of some keys are in the memory of a process, and in which form.

Arguments: its pid, a file with the keys in base64, a file to add a line to, what to call the moment.
"""

import base64
import re
import sys
from pathlib import Path


def writable_memory(pid: str) -> bytes:
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, access = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not access.startswith("rw"):
                continue
            memory.seek(int(begin, 16))
            found.append(memory.read(int(end, 16) - int(begin, 16)))
    return b"\n".join(found)


def main() -> None:
    pid, keys, log, moment = sys.argv[1:]
    memory = writable_memory(pid)
    forms = set()
    for key in Path(keys).read_text().split():
        raw = base64.b64decode(key)
        # The '=' at the end says nothing.
        shapes = {"bytes": raw, "base64": key.rstrip("=").encode(), "hex": raw.hex().encode()}
        forms |= {name for name, text in shapes.items() if text in memory}
    with open(log, "a") as file:
        print(moment, *sorted(forms), file=file)


if __name__ == "__main__":
    main()
