"""Random but plausible materials: wall paint, cloth, wood, floors, plastics."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from .mesh import Colour, Material, Mesh
from .textures import Photos, pattern


def muted(rng: np.random.Generator, light: tuple[float, float] = (0.15, 0.95)) -> Colour:
    """Mostly greys and earth colours, as homes have them; now and then something vivid."""
    vivid = rng.random() < 0.03
    hue = rng.normal(0.09, 0.05) % 1 if rng.random() < 0.6 else rng.random()
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.4, 0.8) if vivid else rng.beta(1.2, 6), rng.uniform(*light))


def pale(rng: np.random.Generator, light: tuple[float, float] = (0.6, 0.97)) -> Colour:
    """Wall and door paint: most of it is nearly white."""
    white = rng.uniform(0.2, 1)
    r, g, b = (float(0.92 * white + (1 - white) * c) for c in muted(rng, light))
    return r, g, b


def wood_colour(rng: np.random.Generator) -> Colour:
    return colorsys.hsv_to_rgb(rng.uniform(0.05, 0.11), rng.uniform(0.1, 0.5), rng.uniform(0.22, 0.98))


def wood(rng: np.random.Generator, photos: Photos, tile: float = 1.0) -> Material:
    if rng.random() < 0.4:
        return Material(
            (1, 1, 1), photos.surface(rng, "wood"), tile * rng.uniform(0.6, 1.4), rng.uniform(0, 0.05)
        )
    return Material(
        wood_colour(rng), pattern(rng, "wood"), tile * rng.uniform(0.6, 1.4), rng.uniform(0, 0.05)
    )


def plain(rng: np.random.Generator, light=(0.15, 0.95), gloss: float = 0.05) -> Material:
    return Material(muted(rng, light), gloss=float(rng.uniform(0, gloss)))


def cloth(rng: np.random.Generator) -> Material:
    kind = rng.choice(["weave", "noise", "stripes", "checker", "flowers"], p=[0.35, 0.35, 0.1, 0.08, 0.12])
    return Material(muted(rng), pattern(rng, str(kind)), rng.uniform(0.15, 0.8))


def wall(rng: np.random.Generator, photos: Photos) -> Material:
    draw = rng.random()
    colour = pale(rng)
    if draw < 0.3:
        return Material(colour)
    if draw < 0.6:
        return Material(
            colour, photos.surface(rng, str(rng.choice(["plaster", "stucco"]))), rng.uniform(0.8, 2.5)
        )
    if draw < 0.8:
        return Material(colour, pattern(rng, "noise"), rng.uniform(1, 6))
    if draw < 0.93:
        return Material(
            colour, pattern(rng, str(rng.choice(["stripes", "weave", "wood"]))), rng.uniform(0.5, 2)
        )
    return Material(
        (1, 1, 1), photos.surface(rng, str(rng.choice(["brick", "blocks", "concrete"]))), rng.uniform(1, 2)
    )


def floor(rng: np.random.Generator, photos: Photos, wet: bool) -> Material:
    """wet rooms (kitchens) are mostly tiled, others mostly wooden or carpeted."""
    draw = rng.random() * 0.55 + (0.45 if wet else 0)
    if draw < 0.3:
        return replace(wood(rng, photos), tile=rng.uniform(0.7, 1.6), gloss=rng.uniform(0, 0.09))
    if draw < 0.5:
        return Material(muted(rng, (0.25, 0.8)), pattern(rng, "noise"), rng.uniform(0.3, 1.0))
    if draw < 0.75:
        return Material(
            muted(rng, (0.4, 0.95)),
            pattern(rng, str(rng.choice(["tiles", "checker"]))),
            rng.uniform(0.6, 1.6),
            rng.uniform(0, 0.08),
        )
    return Material(
        (1, 1, 1),
        photos.surface(rng, str(rng.choice(["tiles", "marble", "concrete", "wood"]))),
        rng.uniform(0.8, 2),
        rng.uniform(0, 0.08),
    )


VIVID = 0.45  # the spread between the channels of a colour that strikes the eye


def calmer(material: Material, share: float) -> Material:
    """Takes share of the colour out of a vivid material, be it painted or photographed."""
    shown = np.array(material.colour)
    if material.texture is not None:
        shown = shown * material.texture[::8, ::8].mean(axis=(0, 1)) / 255
    if np.ptp(shown) < VIVID * max(shown.max(), 0.3):
        return material
    grey = share * float(np.mean(material.colour))
    red, green, blue = (float((1 - share) * c + grey) for c in material.colour)
    picture = material.texture
    if picture is not None:
        picture = (share * picture.mean(axis=-1, keepdims=True) + (1 - share) * picture).astype(np.uint8)
    return replace(material, colour=(red, green, blue), texture=picture)


def restyle(mesh: Mesh, rng: np.random.Generator, photos: Photos) -> Mesh:
    """Half of the time the model as it was made, otherwise in other colours and cloths.

    Catalogues like their chairs bright; homes do not, so most of what is vivid is toned down.
    """
    share = rng.uniform(0.45, 0.9) if rng.random() < 0.85 else 0.0
    mesh = mesh.painted(*(calmer(material, share) for material in mesh.materials))
    if rng.random() < 0.5:
        return mesh
    materials = []
    for material in mesh.materials:
        if material.clear:
            materials.append(material)
        elif material.texture is not None:
            tint = rng.uniform(0, 0.5)
            r, g, b = (float(1 - tint * (1 - c)) for c in muted(rng, (0.5, 1)))
            materials.append(replace(material, colour=(r, g, b)))
        elif rng.random() < 0.5:
            materials.append(replace(material, colour=muted(rng)))
        else:
            materials.append(cloth(rng) if rng.random() < 0.5 else wood(rng, photos))
    return mesh.painted(*materials)
