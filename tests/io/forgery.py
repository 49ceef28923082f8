"""Stores edited as an attacker or a broken disk would."""

import json

import numpy as np

from mutua.io.hashes import MANIFEST, hash_bytes
from mutua.models.dims import RECORD


def read_index(path):
    return json.loads((path / "zarr.json").read_bytes())["attributes"][RECORD]


def forge(path, change):
    """Edit the index as an attacker would: with a right checksum."""
    body = read_index(path)
    change(body)
    content = {key: value for key, value in body.items() if key != "checksum"}
    body["checksum"] = hash_bytes(json.dumps(content, sort_keys=True).encode())
    group = {"zarr_format": 3, "node_type": "group", "attributes": {RECORD: body}}
    (path / "zarr.json").write_text(json.dumps(group))


def forge_metadata(path, name, change):
    """Edit the metadata of an element, manifest and index following."""
    group = path / read_index(path)["elements"][name]["path"]
    metadata = json.loads((group / "zarr.json").read_bytes())
    change(metadata)
    (group / "zarr.json").write_text(json.dumps(metadata))
    manifest = json.loads((group / MANIFEST).read_bytes())
    manifest["zarr.json"] = hash_bytes((group / "zarr.json").read_bytes())
    (group / MANIFEST).write_text(json.dumps(manifest))
    digest = hash_bytes((group / MANIFEST).read_bytes())
    forge(path, lambda body: body["elements"][name].update(digest=digest))


def all_files(path):
    return sorted(p for p in path.rglob("*") if p.is_file() and p.name != ".mutua-lock")


def flipped(file, seed):
    """The content of a file with one bit of one byte that counts flipped."""
    content = bytearray(file.read_bytes())
    places = np.random.default_rng(seed).permutation(len(content))
    place = next(i for i in places if content[i] not in b" \n")  # white space means nothing
    content[place] ^= 1 << int(np.random.default_rng(seed).integers(0, 7))
    return bytes(content)
