"""The serving benchmark: an empty view to stand beside, a load driver, and the measuring of processes."""
