"""Hold every public docstring against numpydoc's checks: ``python tests/docstrings.py``."""

import sys

from numpydoc.validate import validate

from refnorm import OPERATORS

# Not held: sections that are absent; arrays that one entry describes together, in their own order and without a type.
EXEMPT = {
    "ES01", "SA01", "GL01", "GL02", "GL03", "GL07", "SS05", "SS06", "EX01", "PR01", "PR02", "PR03", "PR04", "PR06",
    "PR08", "PR09", "RT03", "RT05",
}  # fmt: skip


def main() -> int:
    found = 0
    for operator in OPERATORS.values():
        for f in (operator.function, operator.gradient):
            if f is None:
                continue
            for code, said in validate(f"{f.__module__}.{f.__name__}")["errors"]:
                if code not in EXEMPT:
                    print(f"{f.__name__}: {code} {said}")
                    found += 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
