"""Write what the original Keras splice models give for stored inputs.

Run by ``make_datasets.py`` in an environment of its own that has Keras; not meant to be run by
hand. Arguments: Acceptor.h5, Donor.h5, a .npz with ``acceptor_input`` and ``donor_input``
(sequence, letter, position), and the .npz to write.
"""

from __future__ import annotations

import sys

import keras
import numpy as np


class ConvDNA(keras.layers.Conv1D):
    """The convolution of the stored acceptor model: Conv1D with an option that it leaves unset."""

    def __init__(self, *args: object, seq_length: int | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)


def outputs(path: str, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities, and the values before the sigmoid, (sequence, 1) float32 each."""
    model = keras.models.load_model(path, custom_objects={"ConvDNA": ConvDNA}, compile=False)
    channels_last = inputs.transpose(0, 2, 1)
    probability = model.predict(channels_last, verbose=0)
    model.layers[-1].activation = keras.activations.linear
    # Calling the model, unlike predict, uses no graph compiled with the former activation.
    logit = np.asarray(model(channels_last, training=False))
    return probability, logit


def main() -> None:
    acceptor, donor, inputs, result = sys.argv[1:]
    with np.load(inputs) as arrays:
        vectors = dict(arrays)
    for site, path in (("acceptor", acceptor), ("donor", donor)):
        probability, logit = outputs(path, vectors[f"{site}_input"])
        vectors |= {f"{site}_probability": probability, f"{site}_logit": logit}
    np.savez_compressed(result, **vectors)


if __name__ == "__main__":
    main()
