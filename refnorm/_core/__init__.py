"""Private engines shared by several operators, one file each."""
