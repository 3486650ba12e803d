"""Other people's checkpoints, understood before PyTorch is: whose they are, what model that makes, which
tensor becomes which of ours. Every tensor is used, or known to be of no use: anything else is refused."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from tosa_edge.console import counted
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import bundled_models
from tosa_edge.nn.config import MOST_LAYERS, ModelConfig
from tosa_edge.nn.facts import FAMILIES, V2, Told, encoder_facts, gather_facts, official_taps
from tosa_edge.nn.families import READ, TRAIN, Family, family_of
from tosa_edge.nn.layouts import Layout, layout_of, unused, without_chunks
from tosa_edge.nn.shapes import Shape, Shapes, encoder_shapes, parameter_shapes
from tosa_edge.nn.stored import Stored

_SIZES = {384: "S", 768: "B", 1024: "L", 1536: "g"}
_HEAD_WIDTH = 64  # of every DINOv2
_HUGE = 1280  # wide, with heads of 80: ViT and DeiT-III
_SHOWN = 3
_NEAR = 0.5  # of the names of a family, for a file to be taken for a damaged one of it


@dataclass(frozen=True)
class Foreign:
    """said: what was assumed, in one line. sources: our name to theirs, put one after another. `prefix`: how
    many tokens before the patches have a position in their file."""

    config: ModelConfig
    said: str
    sources: dict[str, tuple[str, ...]]
    prefix: int = 1


def whole_model(stored: Stored, told: Told | None = None, size: tuple[int, int] | None = None) -> Foreign:
    """A checkpoint with its head, as a model; or why it is none."""
    reader = Reader(stored)
    if reader.family.classifies:
        from tosa_edge.nn.classifiers import classifier

        return classifier(reader, told or Told(), size)
    if not reader.family.head:
        raise TosaEdgeError(
            f"{stored.path} is {reader.family.name}; it is no model of tosa-edge's",
            TRAIN.format(path=stored.path),
        )
    config, said = reader.model(told or Told(), size)
    wanted = {name: shape for name, shape in parameter_shapes(config).items() if ".selectors." not in name}
    sources, _ = reader.match(wanted, config.family)
    return Foreign(config, f"{stored.path.name} is read as {said}", sources)


def encoder_of(stored: Stored, size: tuple[int, int], name: str = "model") -> Foreign:
    """A checkpoint's encoder under a head of ours; `said` tells of a head that is dropped."""
    reader = Reader(stored)
    if reader.family.classifies and not reader.is_dinov2():
        raise TosaEdgeError(
            f"{stored.path} is {reader.family.name}, and an encoder is to be DINOv2's",
            "Give one of DINOv2's; as a classifier it is read by: tosa-edge export.",
        )
    config = reader.encoder(size, name)
    wanted = {f"encoder.{name}": shape for name, shape in encoder_shapes(config).items()}
    sources, dropped = reader.match(wanted, reader.family.name, head_too=True)
    said = f"{stored.path.name} is read as {reader.family.name}"
    if dropped:
        said = said.removesuffix(", without a depth head")
        said += f": its encoder, and not its head of {counted(dropped, 'tensor')}, which is dropped"
    return Foreign(config, said, sources)


class Reader:
    """One file: its family, its layout, and its shapes under names without chunks."""

    def __init__(self, stored: Stored) -> None:
        self.path, self.stored = stored.path, stored
        self.names = {without_chunks(name): name for name in stored.shapes}
        if len(self.names) != len(stored.shapes):
            raise self.refused("blocks of two chunks have the same number", READ)
        self.shapes: Shapes = {flat: stored.shapes[name] for flat, name in self.names.items()}
        family = family_of(self.shapes)
        if family is None:
            raise self._unknown()
        if not family.layout:
            raise TosaEdgeError(f"{self.path} is {family.name}, which is not read yet", READ)
        self.family: Family = family
        self.layout: Layout = layout_of(family.layout, self.shapes)

    def model(self, told: Told, size: tuple[int, int] | None) -> tuple[ModelConfig, str]:
        layers = self.layers()
        facts = gather_facts(self.path, layers, told)
        dim, side, patch = self.width(), self.side(), self.patch()
        label = f"{facts.family} {_SIZES.get(dim, f'{dim} wide')}"
        height, width = size or _usual_size(side, patch)
        config = self.config(
            height=height,
            width=width,
            heads=facts.heads or self.heads(dim),
            epsilon=facts.epsilon or 1e-6,
            head_layers=facts.taps,
            head_dim=self.shape("head.scratch.output_conv1.weight", 4)[1],
            head_channels=tuple(self.shape(f"head.projects.{k}.weight", 4)[0] for k in range(4)),
            head="dpt",
            family=label,
            output="metric_depth" if facts.max_depth else "relative_inverse_depth",
            max_depth=facts.max_depth,
            selectors=False,
        )
        return config, facts.said.replace(facts.family, label, 1)

    def is_dinov2(self) -> bool:
        """Its layers have scales, and its positions are of a class token and a square."""
        places = self.shape("encoder.pos_embed", 3)[1] - 1
        scaled = self.layout.stored("encoder.blocks.0.ls1.gamma")[0] in self.shapes
        return scaled and math.isqrt(places) ** 2 == places

    def encoder(self, size: tuple[int, int], name: str) -> ModelConfig:
        layers = self.layers()
        heads, epsilon = encoder_facts(self.path)
        return self.config(
            name=name,
            height=size[0],
            width=size[1],
            heads=heads or self.heads(self.width()),
            epsilon=epsilon or 1e-6,
            head_layers=(0, layers // 3, 2 * layers // 3, layers - 1),
        )

    def config(self, prefix: int = 1, **others: object) -> ModelConfig:
        """What all have: what is read off the encoder's shapes. `prefix` tokens have positions."""
        dim, side = self.width(), self.side(prefix)
        has_some = self.layout.stored("encoder.register_tokens")[0] in self.shapes
        registers = self.shape("encoder.register_tokens", 3)[1] if has_some else 0
        exact = "antialias" if registers else "size" if self.family.layout == "transformers" else "offset"
        more: dict[str, Any] = {"positions": exact, **others}
        return ModelConfig(
            patch=self.patch(),
            dim=dim,
            layers=self.layers(),
            mlp_ratio=self.shape("encoder.blocks.0.mlp.fc1.weight", 2)[0] / dim,
            registers=registers,
            position_grid=(side, side),
            **more,
        )

    def match(
        self, wanted: Shapes, what: str, head_too: bool = False
    ) -> tuple[dict[str, tuple[str, ...]], int]:
        """Our names to those of the file, and how many tensors of a head are left out."""
        sources = {name: self.layout.stored(name) for name in wanted}
        missing = [part for parts in sources.values() for part in parts if part not in self.shapes]
        misfits = [
            fault
            for name, parts in sources.items()
            for part in parts
            if part in self.shapes and (fault := self._misfit(part, wanted[name], len(parts)))
        ]
        used = {part for parts in sources.values() for part in parts}
        left = [name for name in self.shapes if name not in used and not unused(name)]
        dropped = [name for name in left if self._is_of_a_head(name)] if head_too else []
        unknown = [name for name in left if name not in dropped]
        if missing or unknown or misfits:
            raise self.refused(
                _difference(what, missing, unknown, misfits), "Download it again, or save it whole."
            )
        real = {name: tuple(self.names[part] for part in parts) for name, parts in sources.items()}
        return real, len(dropped)

    def _misfit(self, name: str, wanted: Shape, parts: int) -> str:
        wanted = (wanted[0] // parts, *wanted[1:])
        if self.shapes[name] != wanted:
            return f"{name} is {list(self.shapes[name])} and not {list(wanted)}"
        if not self.stored.is_fraction(self.names[name]):
            return f"{name} is {self.stored.kinds[self.names[name]][:20]!a} and no fraction"
        return ""

    def _is_of_a_head(self, name: str) -> bool:
        first = re.split(r"\.", name)[0]
        known = ("head", "neck", "classifier", "depth_head", "linear_head")
        return first in known or bool(self.layout.encoder and not name.startswith(self.layout.encoder))

    def shape(self, ours: str, axes: int) -> Shape:
        name = self.layout.stored(ours)[0]
        found = self.shapes.get(name)
        if found is None:
            raise self.refused(f"it has no {name}", READ)
        if len(found) != axes or 0 in found:
            raise self.refused(f"{name} is {list(found)}, which no such model has", READ)
        return found

    def width(self) -> int:
        return self.shape("encoder.cls_token", 3)[-1]

    def patch(self) -> int:
        return self.shape("encoder.patch_embed.proj.weight", 4)[-1]

    def heads(self, dim: int) -> int:
        if dim == _HUGE:
            return 16
        if dim % _HEAD_WIDTH:
            raise self.refused(f"it is {dim} wide, and DINOv2's are multiples of {_HEAD_WIDTH}", READ)
        return dim // _HEAD_WIDTH

    def layers(self) -> int:
        before, after = self.layout.stored("encoder.blocks.N.norm1.weight")[0].split(".N.")
        shape = re.compile(rf"{re.escape(before)}\.(\d{{1,4}})\.{re.escape(after)}")
        numbers = [int(found[1]) for name in self.shapes if (found := shape.fullmatch(name))]
        layers = 1 + max(numbers, default=0)
        if not 4 <= layers <= MOST_LAYERS:
            raise self.refused(f"it has blocks up to number {layers - 1}, and a head reads four", READ)
        return layers

    def side(self, prefix: int = 1) -> int:
        """The positions are of so many tokens, and a square of patches."""
        name = self.layout.stored("encoder.pos_embed")[0]
        count = self.shape("encoder.pos_embed", 3)[1] - prefix
        side = math.isqrt(max(count, 0))
        if not side or side**2 != count:
            raise self.refused(f"{name} of {count + prefix} places is not of a square picture", READ)
        return side

    def refused(self, why: str, remedy: str) -> TosaEdgeError:
        return TosaEdgeError(f"{self.path}: {why}", remedy)

    def _unknown(self) -> TosaEdgeError:
        ours = f"Give one of ours: {', '.join(bundled_models())}, or what `train` or `distill` wrote. {READ}"
        near, missing, unknown = nearest(self.shapes)
        if near:
            return self.refused(f"it is nearest to {near}; {_difference('it', missing, unknown, [])}", ours)
        return TosaEdgeError(
            f"{self.path} is no model of tosa-edge's: {len(self.shapes)} tensors whose names are not known",
            ours,
        )


def nearest(shapes: Shapes) -> tuple[str, list[str], list[str]]:
    """The family most of whose names are there, those that are not, and those that it does not know."""
    model = ModelConfig(
        head="dpt",
        head_channels=(48, 96, 192, 384),
        head_layers=official_taps(V2, 12),
    )
    found: list[tuple[float, str, list[str], list[str]]] = []
    for kind, words in (("official", ""), ("transformers", " in transformers' layout")):
        layout = layout_of(kind, shapes)
        for what, wanted in (
            (FAMILIES[V2], [n for n in parameter_shapes(model) if ".selectors." not in n]),
            ("DINOv2", [f"encoder.{n}" for n in encoder_shapes(model)]),
        ):
            names = [part for name in wanted for part in layout.stored(name)]
            there = {_kind(name) for name in shapes}
            known = {_kind(name) for name in names}
            missing = [name for name in names if _kind(name) not in there]
            unknown = [name for name in shapes if _kind(name) not in known and not unused(name)]
            share = len(known & there) / len(known)
            found.append((share, f"{what}{words}", missing, unknown))
    share, what, missing, unknown = max(found, key=lambda one: one[0])
    return (what, missing, unknown) if share >= _NEAR else ("", [], [])


def _kind(name: str) -> str:
    """A name of one block for that of any."""
    return re.sub(r"(blocks|layer)\.\d+\.", r"\1.N.", name)


def _difference(what: str, missing: list[str], unknown: list[str], misfits: list[str]) -> str:
    parts = []
    for names, words in ((missing, "missing"), (unknown, "not known"), (misfits, "")):
        if names:
            shown = ", ".join(name[:120] for name in names[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(
                f"{shown}{more}" + (f" {'are' if len(names) > 1 else 'is'} {words}" if words else "")
            )
    return f"{what} differs: {'; '.join(parts)}"


def _usual_size(side: int, patch: int) -> tuple[int, int]:
    """4:3, as most cameras are, the longer side as in training: 392x518. A square would cost a third more,
    for what is either stretched or empty."""
    return max(1, round(side * 3 / 4)) * patch, side * patch
