"""Hook for the message of a commit: a prefix of Slicer's, and a subject that fits into one line of a log.

python3 Testing/commit_subject.py .git/COMMIT_EDITMSG
"""

from __future__ import annotations

import sys
from pathlib import Path

PREFIXES = ("BUG:", "COMP:", "DOC:", "ENH:", "PERF:", "STYLE:")
LONGEST_SUBJECT = 72


def problem_of(message: str) -> str | None:
    """Return why the message of a commit cannot stay as it is, None where it can."""
    subject = message.partition("\n")[0]
    if subject.startswith(("Merge ", "Revert ")):
        return None
    if not subject.startswith(PREFIXES):
        return f"The subject {subject!r} must begin with one of {' '.join(PREFIXES)}"
    if len(subject) >= LONGEST_SUBJECT:
        return (
            f"The subject has {len(subject)} characters; keep it under {LONGEST_SUBJECT}, the rest goes into the body"
        )
    return None


if __name__ == "__main__":
    found = problem_of(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if found is not None:
        sys.exit(found)
