"""The sampler against posteriors known in closed form; priors stay within evidence."""

import numpy as np
import pytest

from tme_sim.fit.sampler import effective_size, flat, r_hat, rank_of, smc
from tme_sim.priors import Priors, generator, systematic


def wide(k: int) -> Priors:
    return Priors(tuple("abcdefgh"[:k]), np.zeros(k), np.full(k, -8.0), np.full(k, 8.0), np.zeros(k, dtype=bool))


def test_a_normal_mean_has_its_exact_posterior():
    priors = wide(1)  # sd 4 in the parameter, 1 in score
    data, sd = 1.3 / 4, 0.2236 / 4
    sample = smc(lambda x: -0.5 * ((x[:, 0] - data) / sd) ** 2, priors, n=2000, seed=3)
    precision = 1 + 1 / sd**2
    assert sample.scores.mean() == pytest.approx(data / sd**2 / precision, abs=4 * sd / np.sqrt(2000))
    assert sample.scores.std() == pytest.approx(precision**-0.5, rel=0.06)
    # evidence: N(data; 0, 1 + sd^2) without the constant of the likelihood
    exact = np.log(sd / np.sqrt(1 + sd**2)) - 0.5 * data**2 / (1 + sd**2)
    assert sample.evidence == pytest.approx(exact, abs=0.1)


def test_correlated_posterior_in_eight_dimensions():
    priors = wide(8)
    mean = np.linspace(-0.5, 0.5, 8)
    a = generator(5).standard_normal((8, 8)) / 4 + np.eye(8)
    covariance = 0.05 * a @ a.T
    inverse = np.linalg.inv(covariance)
    sample = smc(lambda x: -0.5 * np.einsum("ni,ij,nj->n", x - mean, inverse, x - mean), priors, n=1500, seed=1)
    exact = np.linalg.inv(inverse + np.eye(8))
    assert np.allclose(sample.scores.mean(axis=0), exact @ inverse @ mean, atol=0.05)
    assert np.allclose(np.cov(sample.scores.T), exact, atol=0.03)
    assert min(sample.moved) > 0.8


@pytest.mark.parametrize("model", ["normal", "counts"])
def test_ranks_are_flat(model):
    """Simulation-based calibration on two toys: the truth lies anywhere among the draws, equally often (M20)."""
    priors, rng, bins = wide(1), generator(11), 8
    ranks = []
    for i in range(160):
        truth = priors.draw(1, 1000 + i)[0, 0]
        if model == "normal":
            data = truth + 0.4 * rng.standard_normal(5)
            fit = lambda x, d=data: -0.5 * (((x - d[None]) / 0.4) ** 2).sum(axis=1)  # noqa: E731
        else:
            data = rng.binomial(30, 1 / (1 + np.exp(-truth)))
            fit = lambda x, d=data: d * x[:, 0] - 30 * np.logaddexp(0, x[:, 0])  # noqa: E731
        draws = smc(fit, priors, n=100, seed=2000 + i, sweeps=6).scores[:, 0]
        ranks.append(rank_of(truth, draws, bins))
    assert flat(ranks, bins) > 0.01


def test_wrong_posteriors_have_ranks_that_are_not_flat():
    """The check can fail: a likelihood taken twice too narrow is noticed."""
    priors, rng, bins = wide(1), generator(12), 8
    ranks = []
    for i in range(160):
        truth = priors.draw(1, 3000 + i)[0, 0]
        data = truth + 0.8 * rng.standard_normal()
        draws = smc(lambda x, d=data: -0.5 * ((x[:, 0] - d) / 0.2) ** 2, priors, n=100, seed=i, sweeps=4).scores[:, 0]
        ranks.append(rank_of(truth, draws, bins))
    assert flat(ranks, bins) < 0.01


def test_priors_keep_to_their_evidence():
    priors = Priors(("rate", "share"), np.array([0.02, 0.3]), np.array([0.014, 0.0]), np.array([0.2, 0.9]),
                    np.array([True, False]))  # fmt: skip
    scores = priors.draw(512, 4)
    values = priors.values(scores)
    assert (values >= priors.low).all() and (values <= priors.high).all()
    assert np.allclose(priors.scores(values), scores, atol=1e-9)
    assert np.isneginf(priors.log_density(np.array([[9.0, 0.0]])))
    extreme = smc(lambda x: 50.0 * x[:, 0], priors, n=300, seed=1)  # data that push against the end of the evidence
    assert priors.values(extreme.scores)[:, 0].max() <= 0.2
    assert np.median(priors.values(extreme.scores)[:, 0]) > 0.15


@pytest.mark.parametrize(("centre", "low", "log"), [(5.0, 0.0, False), (0.5, 0.0, True), (0.5, 1.0, False)])
def test_ranges_that_make_no_prior_are_refused(centre, low, log):
    with pytest.raises(ValueError, match="a: "):
        Priors(("a",), np.array([centre]), np.array([low]), np.array([1.0]), np.array([log]))


def test_no_likelihood_anywhere_is_refused():
    with pytest.raises(ValueError, match="evidence ranges disagree"):
        smc(lambda x: np.full(len(x), -np.inf), wide(1), n=50)


def test_resampling_is_fair_and_weights_are_counted():
    rng = generator(1)
    at = systematic(np.array([1.0, 3.0, 0.0, 4.0]), 8000, rng)
    assert np.allclose(np.bincount(at, minlength=4) / 8000, [0.125, 0.375, 0.0, 0.5], atol=1e-3)
    assert effective_size(np.zeros(7)) == pytest.approx(7)
    assert effective_size(np.array([0.0, -800.0])) == pytest.approx(1)


def test_r_hat_tells_chains_that_disagree():
    rng = generator(2)
    same = rng.standard_normal((4, 400, 1))
    assert r_hat(same)[0] < 1.02
    assert r_hat(same + np.arange(4)[:, None, None])[0] > 1.3
