"""What others wrote (names, messages), made harmless to show: no control characters, no ten million letters."""

from __future__ import annotations

import re

__all__ = ["MOST", "harmless"]

MOST = 400
# Controls but newline and tab, what turns the direction of text or is not seen, surrogates, noncharacters: a terminal
# obeys the first, a reader is deceived by the second, and neither XML nor UTF-8 takes the rest.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff9-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff"
    + "".join(f"{chr(p * 65536 + 65534)}-{chr(p * 65536 + 65535)}" for p in range(1, 17))
    + "]"
)


def harmless(text, most: int = MOST) -> str:
    r"""Return text that shows what it holds and does nothing; its middle is left out where it is long.

    >>> from refnorm.checker.harmless import harmless
    >>> print(harmless("\x1b[31mred", 400))
    \x1b[31mred
    >>> harmless("a" * 1000, 6)
    'aaaa... (994 characters left out) ...aa'
    """
    text = str(text)
    if len(text) > most:
        tail = most // 3
        text = f"{text[: most - tail]}... ({len(text) - most:,} characters left out) ...{text[len(text) - tail :]}"
    return UNSEEN.sub(_escaped, text)


def _escaped(match: re.Match) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
