"""The few colours of all pictures: dark enough for the card they lie on."""

from matplotlib.colors import LinearSegmentedColormap

CARD, INK, QUIET, PALE = "#f7f5f0", "#24292f", "#767b82", "#dcd8cf"
# Okabe and Ito's, which stay apart for the colour-blind: the answer is blue, what one looks at is red.
BLUE, RED, GREEN = "#0072b2", "#d55e00", "#009e73"
COLOURS = (BLUE, RED, GREEN, INK)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (5, 1.5, 1.5, 1.5)))

SHADES = LinearSegmentedColormap.from_list("shades", ["#ebe8e0", "#7fb4d6", BLUE, "#0b2f4f"])
SIGNS = LinearSegmentedColormap.from_list("signs", ["#8f3b00", RED, "#f2c9a8", "#f3f0e9", "#a9cde6", BLUE, "#063f66"])
