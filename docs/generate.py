#!/usr/bin/env python3
"""Write the parts of the documents that are made from tables: docs/generate.py [--check] BUILD_FOLDER

A part stands between a line with `generated: NAME` and one with `generated: end`; BUILD_FOLDER/document says what belongs
there. With --check nothing is written, and the status is 1 where a document is not what it would be.
"""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENTS = ["OPTIONS.md", "ERRORS.md", "s3run.1", "s3shim.conf.5"]
PART = re.compile(r"^([^\n]*generated: (?!end)([\w.]+)[^\n]*\n)(.*?)(^[^\n]*generated: end[^\n]*$)", re.M | re.S)


def made(build, text):
    def part(m):
        out = subprocess.run([Path(build) / "document", m[2]], capture_output=True, text=True, check=True).stdout
        blank = "\n" if m[2].endswith(".md") else ""  # Markdown's tables want one around them
        return m[1] + blank + out + blank + m[4]

    return PART.sub(part, text)


def main():
    check, (build, *_) = "--check" in sys.argv, [a for a in sys.argv[1:] if a != "--check"]
    stale = []
    for name in DOCUMENTS:
        page = HERE / name
        text = page.read_text()
        new = made(build, text)
        if new != text:
            stale.append(name)
            if not check:
                page.write_text(new)
    if check and stale:
        sys.exit(f"{', '.join(stale)}: not what the tables say; run docs/generate.py {build}")


if __name__ == "__main__":
    main()
