import numpy as np

from apps.learning.content import Target, fit_map, fit_maps


def profiles(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    columns = np.random.default_rng(seed).integers(0, 2, (n, d)).astype("f4")
    return np.concatenate([columns, np.ones((n, 1), "f4")], axis=1)


def test_a_map_finds_what_a_profile_says() -> None:
    x = profiles(500)
    truth = np.array([1, -1, 0.5, 0, 0, 0, 2], "f4")
    found = fit_map(x, Target(x @ truth, np.ones(500)))
    assert np.abs(found - truth).max() < 0.05


def test_a_profile_that_tells_nothing_gives_a_flat_map() -> None:
    x = profiles(100, d=40)
    noise = np.random.default_rng(1).normal(size=100)
    found = fit_map(x, Target(noise, np.ones(100)))
    assert (x @ found).std() < 0.4 * noise.std()


def test_rows_of_weight_zero_do_not_count() -> None:
    x = profiles(200)
    values = x[:, 0].astype("f8")
    weights = np.ones(200)
    values[100:], weights[100:] = 1000.0, 0.0
    assert abs(fit_map(x, Target(values, weights))[0] - 1) < 0.05


def test_too_few_rows_give_zeros_of_the_right_shape() -> None:
    x = profiles(5)
    one, many = fit_maps(x, [Target(np.ones(5), np.ones(5)), Target(np.ones((5, 32)), np.ones(5))])
    assert (one.shape, many.shape) == ((7,), (7, 32))
    assert not one.any()
    assert not many.any()


def test_a_constant_target_is_an_intercept() -> None:
    x = profiles(50)
    found = fit_map(x, Target(np.full(50, 0.3), np.ones(50)))
    assert np.allclose(x @ found, 0.3, atol=1e-5)


def test_what_is_the_same_in_all_rows_has_no_weight() -> None:
    x = profiles(500)
    x[:, 2], x[:, 4] = 1.0, 0.0
    truth = np.array([1, -1, 0.5, 0, 3, 0, 2], "f4")
    found = fit_map(x, Target(x @ truth, np.ones(500)))
    assert found[2] == found[4] == 0.0
    assert np.abs(x @ found - x @ truth).max() < 0.1
    x[:, :-1] = 1.0
    assert np.allclose(fit_map(x, Target(np.full(500, 0.3), np.ones(500))), [0] * 6 + [0.3])
