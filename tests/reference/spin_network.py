"""The three-state network as plain loops over cells, nodes and all 3 ** M states."""

from __future__ import annotations

import itertools
import math

import numpy as np


def energy(state, coupling, response) -> float:
    total = 0.0
    for i in range(len(state)):
        total += response[i] * state[i] + coupling[i, i] * state[i] ** 2
        for j in range(i + 1, len(state)):
            total += coupling[i, j] * state[i] * state[j]
    return total


def all_states(n):
    return list(itertools.product((-1, 0, 1), repeat=n))


def probabilities(coupling, response):
    """Of all states of one condition, in the order of `all_states`."""
    weights = [math.exp(energy(s, coupling, response)) for s in all_states(len(response))]
    return [w / sum(weights) for w in weights]


def expectations(coupling, response):
    """Mean (node,) and mean product (node, node) of one condition."""
    n = len(response)
    mean, product = np.zeros(n), np.zeros((n, n))
    for state, p in zip(all_states(n), probabilities(coupling, response), strict=True):
        for i in range(n):
            mean[i] += p * state[i]
            for j in range(n):
                product[i, j] += p * state[i] * state[j]
    return mean, product


def negative_log_likelihood(states, condition, coupling, response) -> float:
    """Mean over the cells of every condition, summed over conditions."""
    total = 0.0
    for k in range(response.shape[1]):
        own = [s for s, c in zip(states, condition, strict=True) if c == k]
        log_z = math.log(
            sum(math.exp(energy(s, coupling, response[:, k])) for s in all_states(len(coupling)))
        )
        total += sum(log_z - energy(s, coupling, response[:, k]) for s in own) / len(own)
    return total


def negative_pseudo_likelihood(states, condition, coupling, response) -> float:
    """Every node given all others; row = target, column = regulator."""
    total = 0.0
    n = len(coupling)
    for k in range(response.shape[1]):
        own = [s for s, c in zip(states, condition, strict=True) if c == k]
        for state in own:
            for i in range(n):
                field = response[i, k]
                for j in range(n):
                    if j != i:
                        field += coupling[i, j] * state[j]
                weight = {s: math.exp(field * s + coupling[i, i] * s**2) for s in (-1, 0, 1)}
                total -= math.log(weight[int(state[i])] / sum(weight.values())) / len(own)
    return total


def sample(coupling, response, n_cells, seed):
    """Cells drawn from the model: states (cell, node) and conditions (cell,)."""
    random = np.random.default_rng(seed)
    states, condition = [], []
    choices = np.array(all_states(len(coupling)), np.int8)
    for k, n in enumerate(n_cells):
        p = probabilities(coupling, response[:, k])
        states.append(choices[random.choice(len(choices), size=n, p=p)])
        condition += [k] * n
    return np.concatenate(states), np.array(condition)
