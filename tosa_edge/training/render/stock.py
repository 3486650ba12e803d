"""The furniture catalogue sorted by what a piece is for."""

from __future__ import annotations

import re

import numpy as np

from .catalogue import Furniture, Model
from .mesh import Mesh

ROLES = {  # role: (name pattern, least height, most height, least width)
    "sofa": (r"sofa|couch", 0.5, 1.1, 1.2),
    "armchair": (r"armchair|puff|ottoman", 0.4, 1.2, 0.5),
    "chair": (r"chair|stool|seat", 0.4, 1.2, 0.3),
    "table": (r"table(?! (lamp|foot))|desk$", 0.6, 0.95, 0.6),
    "low_table": (r"coffee table|^table|bench", 0.25, 0.58, 0.6),
    "desk": (r"desk|wooden .*table", 0.65, 1.8, 0.9),
    "bed": (r"\bbed\b|bunk|day bed|futon", 0.3, 1.7, 0.8),
    "storage": (r"bookcase|shel|wardrobe|cupboard|cabinet|dresser|chest|tv stand|vanity", 0.4, 2.3, 0.35),
    "appliance": (
        r"fridge|refrigerator|oven$|washing|dryer|stove|cooler|freezer|high cabinet",
        0.7,
        2.3,
        0.25,
    ),
    "night_table": (r"bedside|box$", 0.3, 0.7, 0.3),
    "plant": (r"plant|yucca|ficus|bamboo|spath|christmas|flowers|lil", 0.45, 2.1, 0.1),
    "floor_lamp": (r"^lamp$|fan$|screen$|umbrella|hanger|clothes|heater", 0.6, 2.1, 0.1),
    "loose": (
        r"backpack|suitcase|box|basket|bin|dustbin|guitar|speaker|fan|ball|shoes|sneakers|crate|radiator|"
        r"broom|stool|bag|briefcase|cat|dog|logs|step ladder|toy|bike|teddy|trash|plant|printer|vase",
        0.05,
        1.3,
        0.05,
    ),
    "person": (r"male|man|woman|boy|girl|mannequin", 0.8, 2.0, 0.2),
}
SMALL_CATEGORIES = {"Kitchen", "Office", "Miscellaneous", "Living room", "Bedroom", "Bathroom", "Lights"}
FLAT_ON_WALL = re.compile(r"plug|switch|dimmer|socket|antenna|knife|saw|rail|fence|cone|chimney|rack", re.I)


class Stock:
    """The catalogue sorted by what a piece is for."""

    def __init__(self, furniture: Furniture) -> None:
        self.furniture = furniture
        self.by_role: dict[str, list[Model]] = {
            role: [
                m
                for m in furniture.models
                if re.search(names, m.name, re.I)
                and m.elevation < 0.05
                and low <= m.size[2] <= high
                and width <= m.size[0] <= 3.0
                and m.size[1] <= 2.4
            ]
            for role, (names, low, high, width) in ROLES.items()
        }
        self.by_role["chair"] = [m for m in self.by_role["chair"] if not re.search("arm|wheel", m.name, re.I)]
        self.by_role["small"] = [
            m
            for m in furniture.models
            if m.category in SMALL_CATEGORIES
            and m.elevation < 0.05
            and not FLAT_ON_WALL.search(m.name)
            and max(m.size[:2]) < 0.5
            and 0.015 < m.size[2] < 0.6
        ]

    @property
    def models(self) -> list[Model]:
        """Every model that a scene can hold, once."""
        return list(dict.fromkeys(model for models in self.by_role.values() for model in models))

    def pick(self, role: str, rng: np.random.Generator) -> Mesh | None:
        models = self.by_role.get(role, [])
        return self.furniture.mesh(models[rng.integers(len(models))]) if models else None
