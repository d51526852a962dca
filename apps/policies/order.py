"""The order in which things apply, as data: for pages, docs, and a test that walks the pipeline by it."""

from __future__ import annotations

# (stage, what it is called, what it does)
LIST_ORDER: tuple[tuple[str, str, str], ...] = (
    ("filters", "Filters", "Nobody blocked, hidden, under age or not eligible passes, nor whom a "
     "cool-down keeps away. They always win."),
    ("caps", "Caps", "Whoever has been shown often enough is left out; of several caps the tightest counts."),
    ("predictions", "Chances", "The chances that each likes the other are computed, with the viewer's taste "
     "as of this minute."),
    ("heavy_ranker", "Second look", "The best by all that follows get these chances once more, from a finer "
     "model, and are ordered by them."),
    ("reciprocity", "Reciprocity", "The two chances become one number by the reciprocity rule."),
    ("boosts", "Boosts and buries", "Factors multiply that number, in order of priority; together at most "
     "four times, at least a tenth."),
    ("features", "Weights", "What is known of a candidate moves the score up or down."),
    ("price", "Price", "The capacity price is taken off."),
    ("diversity", "Diversity", "Those who are alike are spread."),
    ("windows", "Windows", "Of five places in a row no more share an industry, craft or category than is "
     "said."),
    ("placements", "Slots, shares and pins", "Pins take their places first; then boosts get their slots and "
     "shares, and buries keep to theirs. Only those who passed the filters and caps can stand there."),
    ("likes", "Likes received", "Some places that no rule holds go by lot to people who liked the viewer, as "
     "many as exploration gives to others at most: nobody can tell them apart."),
    ("exploration", "Exploration", "Some places that no rule holds go by lot to candidates from just below."),
)  # fmt: skip
VALUE_ORDER: tuple[tuple[str, str], ...] = (
    ("Policy", "What the surface says."),
    ("Market", "What is said for the viewer's market instead."),
    ("Flags", "What the flags say that are on for the viewer, in order of priority: the last one counts."),
    ("Experiments", "What the viewer's variants say. Experiments that turn the same knob share a layer."),
)
