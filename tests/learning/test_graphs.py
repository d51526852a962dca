import numpy as np

from apps.learning.graphs import MOST_PLACES, connections_graph, friends_places_graph, graph_of


def numbers(*values: int) -> np.ndarray:
    return np.array(values, "i4")


def test_edges_go_both_ways_and_once() -> None:
    everybody = numbers(1, 2, 3)
    graph = connections_graph(numbers(1, 1), numbers(3, 3), may_look=everybody, may_be_shown=everybody)
    assert graph.neighbours(1).tolist() == [3]
    assert graph.neighbours(3).tolist() == [1]
    assert graph.neighbours(2).tolist() == []


def test_nobody_hidden_is_anybodys_neighbour() -> None:
    graph = connections_graph(numbers(1), numbers(2), may_look=numbers(1, 2), may_be_shown=numbers(1))
    assert graph.neighbours(1).tolist() == []
    assert graph.neighbours(2).tolist() == [1]


def test_places_of_friends_are_counted_by_friend() -> None:
    friends = graph_of([1, 1, 2], [2, 3, 1])
    graph = friends_places_graph(friends, numbers(2, 3, 3, 9), numbers(70, 70, 50, 60))
    start, stop = graph.span(1)
    assert graph.targets[start:stop].tolist() == [50, 70]
    assert graph.weights[start:stop].tolist() == [1.0, 2.0]
    assert graph.neighbours(2).tolist() == []


def test_only_the_places_that_most_friends_saved_are_kept() -> None:
    friends = graph_of([1, 1], [2, 3])
    places = np.arange(MOST_PLACES + 50, dtype="i4")
    savers = np.full(len(places), 2, "i4")
    graph = friends_places_graph(friends, np.append(savers, 3), np.append(places, places[-1]).astype("i4"))
    kept = graph.neighbours(1)
    assert len(kept) == MOST_PLACES
    assert places[-1] in kept
