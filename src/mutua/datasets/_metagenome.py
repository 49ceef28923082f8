"""A simulated metagenome: modules of features, and genomes of which the truth is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.provenance import call_step, stamp

__all__ = ["SimulatedMetagenome", "simulate_metagenome"]

Floats = npt.NDArray[np.float64]

_CENTRE = -3.0
_SPREAD = 0.5
_AGE, _AGE_SPREAD = 40.0, 12.0


class SimulatedMetagenome(NamedTuple):
    """Two tables of the same samples, in the same order, with the truth about both.

    Attributes
    ----------
    features
        Such as taxa and functions, many of them in modules.
    genomes
        Some of which depend on a module.
    """

    features: anndata.AnnData
    genomes: anndata.AnnData


class _Truth(NamedTuple):
    """What genomes have to do with modules: (genome, module), and (genome,) for the rest."""

    role: npt.NDArray[np.object_]
    module: npt.NDArray[np.int64]
    strength: Floats
    zero_fraction: Floats
    correlation: Floats
    mi: Floats


def simulate_metagenome(
    *,
    n_samples: int = 127,
    n_features: int = 300,
    n_modules: int = 10,
    module_size: int = 15,
    module_correlation: float = 0.7,
    n_genomes: int = 400,
    n_informative: int = 60,
    n_confounded: int = 60,
    n_confounded_modules: int = 3,
    correlation: float | tuple[float, float] = (0.6, 0.95),
    confounder: str = "batch",
    n_batches: int = 4,
    confounding: float = 0.7,
    zero_fraction: float = 0.5,
    seed: int = 0,
) -> SimulatedMetagenome:
    """Simulate a table of features with modules, and one of genomes, some of which inform them.

    Each module follows a latent dim of its own, which is standard normal over the samples. A
    genome is *informative* (its amount follows the latent dim of one module), *confounded* (it
    follows the batch or age of the sample, as some modules do, and has nothing to do with them
    otherwise) or *null*. Amounts are log-normal, and a part of the values of a genome, which has
    nothing to do with anything else, is 0.

    Parameters
    ----------
    n_samples, n_features, n_genomes
        Sizes.
    n_modules, module_size
        Modules and the features in each; the other features depend on nothing.
    module_correlation
        Pearson r of two features of a module, as logarithms.
    n_informative, n_confounded
        Genomes of these kinds; informative ones are spread over all modules.
    n_confounded_modules
        Modules that follow the confounder.
    correlation
        Pearson r of an informative genome, as a logarithm, with its latent dim, before zeros: a
        number, or the range it is drawn from.
    confounder
        ``"batch"``: `n_batches` of equal size, each with an effect. ``"age"``: a number.
    n_batches
        At least 2.
    confounding
        Pearson r of confounded genomes, and of confounded modules, with the confounder.
    zero_fraction
        Mean fraction of zeros of a genome, which differs among genomes.
    seed
        Same seed, same values.

    Returns
    -------
    SimulatedMetagenome
        ``features``, ``genomes``: AnnData with float64 abundances, most of them between 1e-4 and
        0.01, and ``obs["batch"]`` or ``obs["age"]``. Truth about features:
        ``var["true_module"]`` (missing outside of modules) and ``obsm["latent"]``, the latent
        dims by the names of their modules. Truth about genomes: ``var["role"]``,
        ``var["true_module"]`` and ``var["zero_fraction"]``; ``varm["correlation"]``, r of the
        logarithm of every genome with every latent dim before zeros, whatever it comes from;
        ``varm["mi"]``, nats, what the genome with its zeros tells about the latent dim given the
        confounder, which is 0 for dependencies that are only confounded:
        ``-(1 - zero_fraction) / 2 * ln(1 - r²)``, with r the partial correlation.

    Raises
    ------
    InvalidInput
        If modules have more features than there are, more genomes should be informative and
        confounded than there are, or a number is outside its range.

    Examples
    --------
    >>> import mutua as mt
    >>> features, genomes = mt.datasets.simulate_metagenome(seed=0)
    >>> features.shape, genomes.shape
    ((127, 300), (127, 400))
    >>> genomes.var["role"].value_counts().to_dict()
    {'null': 280, 'confounded': 60, 'informative': 60}
    >>> genomes.varm["mi"].loc["genome_4"].round(2).nlargest(2).to_dict()
    {'module_4': 0.45, 'module_0': 0.0}
    """
    arguments = dict(locals())
    sizes = {name: whole_number(name, arguments[name], low=1) for name in
             ("n_samples", "n_features", "n_modules", "module_size", "n_genomes")}  # fmt: skip
    some = {name: whole_number(name, arguments[name], low=0) for name in
            ("n_informative", "n_confounded", "seed")}  # fmt: skip
    whole_number("n_confounded_modules", n_confounded_modules, low=0, high=n_modules)
    n_batches = whole_number("n_batches", n_batches, low=2)
    module_correlation = number("module_correlation", module_correlation, low=0.0, high=1.0)
    confounding = number("confounding", confounding, low=0.0, high=1.0)
    zero_fraction = number("zero_fraction", zero_fraction, low=0.0, high=1.0)
    one_of("confounder", confounder, ["batch", "age"])
    low, high = _range(correlation)
    if confounder == "batch" and n_batches > n_samples:
        found = f"{n_samples} for {n_batches} batches"
        raise InvalidInput("n_samples", found, "use as many samples as batches or more")
    if n_modules * module_size > n_features:
        found = f"{n_features}, and {n_modules} modules of {module_size} take more"
        raise InvalidInput("n_features", found, "use more features, or fewer or smaller modules")
    if n_informative + n_confounded > n_genomes:
        found = f"{n_genomes}, of which {n_informative} + {n_confounded} should be of some kind"
        raise InvalidInput("n_genomes", found, "use more genomes")

    rng = np.random.default_rng(some["seed"])
    obs, effect = _confounder(rng, confounder, sizes["n_samples"], n_batches)
    follows = np.where(np.arange(n_modules) < n_confounded_modules, confounding, 0.0)
    own = rng.standard_normal((n_samples, n_modules))
    latent = follows * effect[:, None] + np.sqrt(1 - follows**2) * own
    modules = [f"module_{number}" for number in range(n_modules)]

    truth = _genome_truth(
        rng, n_genomes, n_informative, n_confounded, (low, high), confounding, follows,
        zero_fraction,
    )  # fmt: skip
    features = _features(rng, latent, n_features, module_size, module_correlation, modules)
    genomes = _genomes(rng, latent, effect, truth, modules)
    steps = call_step("datasets.simulate_metagenome", arguments)
    for table in (features, genomes):
        table.obs_names = [f"sample_{number}" for number in range(n_samples)]
        table.obs[confounder] = obs
        stamp(table, "AnnData", 1, steps)
    features.obsm["latent"] = pd.DataFrame(latent, index=features.obs_names, columns=modules)
    return SimulatedMetagenome(features, genomes)


def _range(correlation: object) -> tuple[float, float]:
    pair = correlation if isinstance(correlation, tuple | list) else (correlation, correlation)
    if len(pair) != 2:
        raise InvalidInput("correlation", f"{correlation!r}", "use a number or (low, high)")
    low, high = (number("correlation", value, low=-1.0, high=1.0) for value in pair)
    if low > high or max(abs(low), abs(high)) == 1:
        raise InvalidInput("correlation", f"{correlation!r}", "use low <= high within -1 to 1")
    return low, high


def _confounder(
    rng: np.random.Generator, kind: str, n_samples: int, n_batches: int
) -> tuple[Any, Floats]:
    """Give the column of the confounder, and its effect on what follows it: mean 0, variance 1."""
    if kind == "age":
        effect = rng.standard_normal(n_samples)
        return _AGE + _AGE_SPREAD * effect, effect
    batch = rng.permutation(np.arange(n_samples) % n_batches)
    effect = rng.permutation(np.linspace(-1, 1, n_batches))[batch]
    effect = (effect - effect.mean()) / effect.std()
    return pd.Categorical([f"batch_{number}" for number in batch]), effect


def _genome_truth(
    rng: np.random.Generator,
    n_genomes: int,
    n_informative: int,
    n_confounded: int,
    correlation: tuple[float, float],
    confounding: float,
    follows: Floats,
    zero_fraction: float,
) -> _Truth:
    """Choose what each genome follows, and say what this means for every module."""
    genome = np.arange(n_genomes)
    is_informative = genome < n_informative
    is_confounded = ~is_informative & (genome < n_informative + n_confounded)
    role = np.select([is_informative, is_confounded], ["informative", "confounded"], "null")
    module = np.where(is_informative, genome % len(follows), -1)
    strength = np.where(is_informative, rng.uniform(*correlation, n_genomes), 0.0)
    strength[is_confounded] = confounding
    width = 0.5 * min(zero_fraction, 1 - zero_fraction)
    zeros = rng.uniform(zero_fraction - width, zero_fraction + width, n_genomes)

    through = np.outer(np.where(is_informative, follows[module] * strength, 0.0), follows)
    through[is_confounded] = confounding * follows
    informs = np.flatnonzero(is_informative)
    through[informs, module[informs]] = strength[informs]
    # Given the confounder, what is left of a latent dim has the variance 1 - follows squared.
    left = 1 - follows[module[informs]] ** 2
    explained = strength[informs] ** 2 * left
    mi = np.zeros_like(through)
    mi[informs, module[informs]] = (
        (1 - zeros[informs]) / 2 * np.log1p(explained / (1 - strength[informs] ** 2))
    )  # the same as -ln(1 - r²) of the partial correlation r
    return _Truth(role.astype(object), module, strength, zeros, through, mi)


def _features(
    rng: np.random.Generator,
    latent: Floats,
    n_features: int,
    module_size: int,
    module_correlation: float,
    modules: list[str],
) -> anndata.AnnData:
    n_samples, n_modules = latent.shape
    member = np.repeat(np.arange(n_modules), module_size)
    amount = rng.standard_normal((n_samples, n_features))
    shared = np.sqrt(module_correlation) * latent[:, member]
    amount[:, : len(member)] = shared + np.sqrt(1 - module_correlation) * amount[:, : len(member)]
    names = [f"feature_{number}" for number in range(n_features)]
    codes = np.concatenate([member, np.full(n_features - len(member), -1)])
    module = pd.Categorical.from_codes(codes, categories=pd.Index(modules))
    return anndata.AnnData(
        _abundance(rng, amount), var=pd.DataFrame({"true_module": module}, names)
    )


def _genomes(
    rng: np.random.Generator, latent: Floats, effect: Floats, truth: _Truth, modules: list[str]
) -> anndata.AnnData:
    n_samples, n_genomes = len(latent), len(truth.module)
    followed = np.where(
        (truth.role == "informative")[None], latent[:, truth.module], effect[:, None]
    )
    amount = truth.strength * followed
    amount += np.sqrt(1 - truth.strength**2) * rng.standard_normal((n_samples, n_genomes))
    abundance = _abundance(rng, amount)
    abundance[rng.random(abundance.shape) < truth.zero_fraction] = 0
    names = [f"genome_{number}" for number in range(n_genomes)]
    var = pd.DataFrame(
        {
            "role": pd.Categorical(truth.role),
            "true_module": pd.Categorical.from_codes(truth.module, categories=pd.Index(modules)),
            "zero_fraction": truth.zero_fraction,
        },
        index=names,
    )
    made = anndata.AnnData(abundance, var=var)
    for key, values in (("correlation", truth.correlation), ("mi", truth.mi)):
        made.varm[key] = pd.DataFrame(values, index=made.var_names, columns=modules)
    return made


def _abundance(rng: np.random.Generator, amount: Floats) -> Floats:
    """Give abundances around a mean of their own for every column."""
    mean = rng.normal(_CENTRE, _SPREAD, amount.shape[1])
    return np.asarray(10 ** (mean + _SPREAD * amount))
