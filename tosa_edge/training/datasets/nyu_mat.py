"""NYU Depth V2, the labelled part: one MATLAB 7.3 file, which is HDF5, read frame by frame.

MATLAB stores the first axis fastest, so HDF5 shows each of its arrays with the axes in reverse:
`images` uint8 [N, 3, W, H] and `depths` float32 [N, W, H] in metres, holes filled in by its makers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.files import require_regular
from tosa_edge.limits import PIXELS
from tosa_edge.training.datasets.frame import DatasetFrame, Format, FoundFrames, Labelled, folders

_NAME = "nyu_depth_v2_labeled.mat"


def _marks(folder: Path, names: list[str]) -> bool:
    return _NAME in names


def _find(root: Path) -> FoundFrames:
    """`root` is the file, or a folder that holds it."""
    if root.is_file():
        files = [root]
    else:
        files = [folder / _NAME for folder, names in folders(root) if _NAME in names]
    return FoundFrames(
        [DatasetFrame(f"{f.name}[{i}]", partial(_read, f, i)) for f in files for i in range(_count(f))]
    )


def _count(path: Path) -> int:
    """How many frames the file holds, once its arrays have the right shapes."""
    h5py = _h5py()
    require_regular(path, limit=None)
    try:
        with h5py.File(path, "r") as file:
            for name in ("images", "depths"):
                _refuse_elsewhere(h5py, path, file, name)
            images, depths = file["images"].shape, file["depths"].shape
            kind = file["images"].dtype
    except OSError as error:
        raise TosaEdgeError(
            f"{path} is cut short, or is not a MATLAB 7.3 file", f"Download {_NAME} again."
        ) from error
    except (KeyError, AttributeError) as error:  # no such array, or a group of that name
        raise TosaEdgeError(
            f"{path} has no arrays `images` and `depths`", f"Give the official {_NAME}."
        ) from error
    if kind != "uint8" or len(images) != 4 or images[1] != 3 or depths != (images[0], *images[2:]):
        raise TosaEdgeError(
            f"{path} holds {kind} {images} and depth {depths}, not uint8 [N, 3, W, H] and depth [N, W, H]",
            f"Give the official {_NAME}.",
        )
    PIXELS.check(images[2] * images[3], f"the pictures of {path}")
    if images[0] * images[2] * images[3] > path.stat().st_size:  # 7 bytes a pixel, and no compression
        raise TosaEdgeError(
            f"{path} claims {images[0]:,} frames, more than it can hold", f"Download {_NAME} again."
        )
    return images[0]


def _refuse_elsewhere(h5py: Any, path: Path, file: Any, name: str) -> None:
    """HDF5 lets an array be a link into another file, or have its bytes in any other."""
    links_out = isinstance(file.get(name, getlink=True), (h5py.ExternalLink, h5py.SoftLink))
    if links_out or getattr(file[name], "external", None) or getattr(file[name], "is_virtual", False):
        raise TosaEdgeError(f"`{name}` of {path} lies in another file", f"Give the official {_NAME}.")


def _read(path: Path, index: int) -> Labelled:
    with _h5py().File(path, "r") as file:
        return file["images"][index].transpose(2, 1, 0), file["depths"][index].T


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MachineLacks(
            f"reading {_NAME} needs h5py, which is not installed", "pip install 'tosa-edge[train]'"
        ) from error
    return h5py


NYU_MAT = Format(f"NYU Depth V2 ({_NAME})", _marks, _find)
