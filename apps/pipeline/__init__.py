"""From a snapshot, parameters and a viewer to a ranked list: pure arrays, no Django, no clock, no network.

The folders are the flow: retrieval, filters, ranking, reranking; `run.py` walks it and `lineup.py` names it.
Time, randomness and parameters enter as values, so any delivery can be replayed from its row.
"""
