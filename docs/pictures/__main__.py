"""Draw every picture into a folder: ``python -m pictures FOLDER``, in docs/."""

import sys
from pathlib import Path

from . import PICTURES, draw

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in PICTURES:
    draw(name, folder / f"{name}.svg")
