"""What is in a scene of the toy world, and how it is painted.

The camera looks level at a flat ground. With focal length f and height H, what stands
at depth z has its foot at v = horizon + f H / z and is f h / z tall; u and v are
fractions of the picture's side, so that a scene has no resolution.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from sslzoo.data import toyshapes as shapes
from sslzoo.data.toyshapes import Pen, noise

# The depth of the sky, in metres; nothing else is as far.
FAR = 500.0


def _colours(*triples):
    return np.float32(triples)


LEAVES = _colours(
    [0.24, 0.47, 0.16], [0.36, 0.54, 0.2], [0.13, 0.34, 0.2], [0.3, 0.45, 0.36],
    [0.72, 0.5, 0.16], [0.7, 0.33, 0.14],
)  # fmt: skip
COATS = _colours(
    [0.93, 0.91, 0.86], [0.84, 0.76, 0.62], [0.52, 0.34, 0.22], [0.6, 0.57, 0.55],
    [0.26, 0.22, 0.21], [0.72, 0.5, 0.32],
)  # fmt: skip
PAINTS = _colours(
    [0.74, 0.17, 0.14], [0.2, 0.36, 0.66], [0.93, 0.87, 0.7], [0.88, 0.68, 0.2],
    [0.2, 0.52, 0.46], [0.55, 0.52, 0.5], [0.5, 0.28, 0.2],
)  # fmt: skip
PLUMES = _colours(
    [0.95, 0.82, 0.25], [0.94, 0.93, 0.88], [0.56, 0.4, 0.27], [0.2, 0.44, 0.37],
    [0.78, 0.28, 0.2], [0.35, 0.42, 0.55],
)  # fmt: skip
BRIGHTS = _colours(
    [0.94, 0.5, 0.12], [0.55, 0.25, 0.6], [0.2, 0.42, 0.8], [0.9, 0.36, 0.5],
    [0.95, 0.8, 0.2], [0.8, 0.15, 0.15], [0.25, 0.62, 0.5],
)  # fmt: skip
BLOOMS = _colours(
    [0.82, 0.16, 0.13], [0.95, 0.77, 0.18], [0.9, 0.5, 0.15], [0.93, 0.88, 0.82],
    [0.86, 0.45, 0.6], [0.55, 0.32, 0.58], [0.56, 0.36, 0.22],
)  # fmt: skip
STONES = _colours([0.5, 0.49, 0.48], [0.6, 0.55, 0.48], [0.4, 0.38, 0.4])
SNOWS = _colours([0.92, 0.94, 0.97])
FACES = _colours([0.16, 0.14, 0.14], [0.3, 0.22, 0.18], [0.86, 0.8, 0.72])
STALKS = _colours([0.92, 0.88, 0.78], [0.85, 0.78, 0.62])
HEARTS = _colours([0.32, 0.2, 0.12], [0.9, 0.7, 0.15], [0.24, 0.3, 0.12])


@dataclasses.dataclass(frozen=True)
class Kind:
    """A class of things. `wide` is half its width when it is 1 tall."""

    name: str
    draw: Callable
    wide: float
    metres: float
    first: np.ndarray
    second: np.ndarray
    place: str = "land"
    moves: bool = False


# Neighbours share a palette, so that colour names a pair at most.
KINDS = (
    Kind("tree", shapes.tree, 0.52, 5.0, LEAVES, BLOOMS),
    Kind("pine", shapes.pine, 0.4, 6.0, LEAVES, SNOWS),
    Kind("cow", shapes.cow, 0.9, 1.5, COATS, COATS, moves=True),
    Kind("sheep", shapes.sheep, 0.7, 1.0, COATS, FACES, moves=True),
    Kind("house", shapes.house, 0.6, 5.0, PAINTS, PAINTS),
    Kind("car", shapes.car, 1.15, 1.5, PAINTS, COATS, moves=True),
    Kind("boat", shapes.boat, 0.52, 4.0, PLUMES, PLUMES, "water", True),
    Kind("duck", shapes.duck, 0.72, 0.5, PLUMES, PLUMES, "water", True),
    Kind("balloon", shapes.balloon, 0.4, 12.0, BRIGHTS, BRIGHTS, "air", True),
    Kind("butterfly", shapes.butterfly, 0.7, 0.5, BRIGHTS, BRIGHTS, "air", True),
    Kind("mushroom", shapes.mushroom, 0.52, 0.4, BLOOMS, STALKS),
    Kind("flower", shapes.flower, 0.4, 0.8, BLOOMS, HEARTS),
)
MOVERS = tuple(kind for kind in KINDS if kind.moves)
BUTTERFLY = next(kind for kind in KINDS if kind.name == "butterfly")
STUFF = (
    Kind("bush", shapes.bush, 1.0, 1.2, LEAVES, LEAVES),
    Kind("rock", shapes.rock, 0.95, 0.8, STONES, STONES),
)

# Colour, and how strong, how wide and how deep its texture is. The two on land are as
# bright as each other: what a network finds first should be the things.
GROUNDS = {
    "grass": ([0.34, 0.5, 0.2], 0.13, 0.5, 0.25),
    "straw": ([0.49, 0.42, 0.22], 0.13, 0.5, 0.25),
    "water": ([0.24, 0.42, 0.52], 0.12, 0.07, 0.7),
}
LAND = ("grass", "straw")
SKY_ABOVE = np.float32([0.3, 0.52, 0.84])
SKY_LOW = np.float32([0.75, 0.86, 0.94])  # At the horizon; and what haze fades to.


@dataclasses.dataclass(frozen=True)
class Thing:
    """One thing at one place. `u` and `foot` are of the middle of its foot line."""

    kind: Kind
    u: float
    foot: float
    tall: float
    depth: float
    first: np.ndarray
    second: np.ndarray
    knobs: np.ndarray
    flip: int = 1
    lean: float = 0.0
    velocity: float = 0.0

    @property
    def label(self):
        """The class, or -1 for stuff."""
        return KINDS.index(self.kind) if self.kind in KINDS else -1


@dataclasses.dataclass(frozen=True)
class Scene:
    """Things, the main one first, and what is around them."""

    things: tuple[Thing, ...]
    horizon: float
    focal: float
    height: float
    near: str
    beyond: str
    border: float
    road: tuple[float, float] | None
    hills: np.ndarray
    knobs: np.ndarray
    pan: float

    def at(self, time):
        """The scene `time` frames later, its camera turned by `pan` a frame."""
        moved = tuple(
            dataclasses.replace(t, u=t.u + (t.velocity + self.pan) * time)
            for t in self.things
        )
        return dataclasses.replace(self, things=moved)


def _thing(draw, kind, u, foot, tall, focal):
    jitter = draw.uniform(0.88, 1.12, (2, 3)).astype(np.float32)
    first, second = draw.integers(len(kind.first)), draw.integers(len(kind.second))
    if kind.first is kind.second and first == second:
        second = (second + 1) % len(kind.second)
    flip = 1 if draw.random() < 0.5 else -1
    speed = draw.uniform(0.012, 0.035) if kind.moves else 0.0
    return Thing(
        kind, u, foot, tall, focal * kind.metres / tall,
        np.clip(kind.first[first] * jitter[0], 0, 1),
        np.clip(kind.second[second] * jitter[1], 0, 1),
        draw.random(8).astype(np.float32), flip, draw.normal(0, 0.05), flip * speed,
    )  # fmt: skip


def compose(draw):
    """A scene, from a NumPy generator: a main thing, then what fits around it."""
    kind = KINDS[draw.integers(len(KINDS))]
    horizon, focal = draw.uniform(0.3, 0.6), draw.uniform(0.9, 1.4)
    tall = draw.uniform(0.52, 0.88) / max(2 * kind.wide, 1.0)
    foot = min(0.98, max(tall + 0.02, horizon + 0.12, draw.uniform(0.7, 0.97)))
    if kind.place == "air":
        foot = draw.uniform(tall + 0.02, 0.96)
    loose = max(0.5 - kind.wide * tall, 0.0) + 0.06
    main = _thing(draw, kind, 0.5 + draw.uniform(-loose, loose), foot, tall, focal)
    if kind.place == "air":
        drop = max(foot - horizon, 0.0) * main.depth / focal
        height = drop + draw.uniform(0.3, 1.0) * kind.metres
    else:
        height = (foot - horizon) * main.depth / focal

    wet = kind.place == "water" and (kind.name == "boat" or draw.random() < 0.8)
    near = "water" if wet else LAND[draw.integers(len(LAND))]
    beyond = "water" if draw.random() < 0.25 else near
    border = horizon + draw.uniform(0.1, 0.6) * (min(foot, 0.95) - horizon)
    if kind.place == "air":
        border = draw.uniform(horizon + 0.05, 0.9)
    around = horizon, focal, height, near, beyond, border
    things = (main, *_neighbours(draw, main, *around))

    road = None
    chance = {"car": 0.8, "house": 0.35}.get(kind.name, 0.08)
    if kind.place == "land" and draw.random() < chance:
        wide = draw.uniform(0.35, 0.6) * (foot - horizon)
        road = (foot - wide, foot + 0.5 * wide)
    hills, knobs = draw.random((2, 6), np.float32), draw.random(12, np.float32)
    pan = float(draw.choice((-1, 1)) * draw.uniform(0.006, 0.025))
    return Scene(things, *around, road, hills, knobs, pan)


def _neighbours(draw, main, horizon, focal, height, near, beyond, border):
    """Smaller things and stuff where each belongs; one moves if `main` does not."""
    things, moving = [], main.kind.moves
    for _ in range(draw.integers(1, 6)):
        pool = KINDS + STUFF + STUFF if moving else MOVERS
        kind = pool[draw.integers(len(pool))]
        tall = draw.uniform(0.1, 0.26) / max(1.6 * kind.wide, 1.0)
        depth = focal * kind.metres / tall
        foot = horizon + focal * height / depth
        if kind.place == "air":
            foot = draw.uniform(tall + 0.02, 0.9)
        ground = "water" if (near if foot > border else beyond) == "water" else "land"
        # Ducks come ashore.
        at_home = kind.place in ("air", ground) or kind.name == "duck"
        if foot > 1 or not at_home:
            continue
        # What stands before the main thing must leave most of it to be seen.
        before = depth < main.depth
        both = kind.wide * tall + main.kind.wide * main.tall
        apart = 0.75 * both if before else 0.05
        for u in draw.uniform(0.02, 0.98, 8):
            if abs(u - main.u) > apart:
                things.append(_thing(draw, kind, u, foot, tall, focal))
                moving = moving or kind.moves
                break
    if not moving:
        u, foot = (0.12 if main.u > 0.5 else 0.88), draw.uniform(0.2, 0.6)
        things.append(_thing(draw, BUTTERFLY, u, foot, 0.14, focal))
    return things


def backdrop(scene, u, v, pan):
    """Sky, hills and ground: colours `[h, w, 3]` and depths `[h, w]` in metres."""
    k, pixel = scene.knobs, v[1] - v[0]
    horizon = np.float32(scene.horizon)
    u = u - pan
    sky = np.clip(v / horizon, 0, 1)[:, None, None] ** 1.3
    rgb = np.repeat(SKY_ABOVE + sky * (SKY_LOW - SKY_ABOVE), len(u), axis=1)
    depth = np.full((len(v), len(u)), FAR, np.float32)

    # The sun is always on the left, as in a painting: its glow fades to the right.
    across, down = (u - 0.15)[None], (v / horizon - 0.3)[:, None]
    glow = 0.65 * np.exp(-5 * across**2 - down**2)
    rgb += glow[..., None] * np.float32([0.5, 0.36, 0.12])

    top = int(np.clip(np.ceil(horizon / pixel), 1, len(v)))
    stretch = np.clip((horizon - v[:top]) + 0.12, 0.1, 1)[:, None]
    clouds = noise(u[None] * 0.16 / stretch + 9 + k[0], 0.07 / stretch + k[1], 3.0)
    cover = np.clip((clouds - 0.8) * 1.2, 0, 0.85)[..., None]
    rgb[:top] += cover * (0.5 * (SKY_LOW + 1) - rgb[:top])

    for layer, hill in enumerate(scene.hills):
        ridge = noise(u * (0.08 + 0.2 * hill[0]) + 9 + hill[1], hill[2] + u * 0, 3.2)
        rise = 0.03 + 0.1 * hill[3] * (1 - 0.4 * layer) * np.clip(1 + 0.8 * ridge, 0, 3)
        if hill[4] > 0.4:
            # A wood: its tops make the ridge rough.
            rise = rise + 0.012 * noise(u * 1.5 + 9, hill[2] + u * 0, 1.0)
        inside = np.clip(0.5 + (v[:, None] - (horizon - rise)[None]) / pixel, 0, 1)
        tone = LEAVES[int(hill[5] * 4)] if hill[4] > 0.2 else STONES[int(hill[5] * 3)]
        haze = 0.65 - 0.35 * layer
        speck = 1 + 0.12 * noise(u[None] * 0.7 + 9, v[:, None] * 1.4, 1.0)[..., None]
        colour = (tone * speck) * (1 - haze) + SKY_LOW * haze
        rgb += inside[..., None] * (colour - rgb)
        depth[inside > 0.5] = FAR * (0.9 - 0.3 * layer)

    start = min(int(np.floor(horizon / pixel)), len(v) - 1)
    below = np.maximum(v[start:] - horizon, pixel / 2)[:, None]
    across, ahead = (u[None] - 0.5) / below, 1 / below
    colour = _ground(scene, scene.near, across, ahead, below)
    if scene.beyond != scene.near:
        shore = 0.02 * noise(u * 0.3 + 9 + k[2], k[3] + u * 0, 2.5)
        past = np.clip(0.5 + (scene.border + shore - v[start:, None]) / pixel, 0, 1)
        other = _ground(scene, scene.beyond, across, ahead, below)
        colour += past[..., None] * (other - colour)
    if scene.road is not None:
        far, close = scene.road
        rows = v[start:, None]
        edge = np.minimum(rows - far, close - rows) / pixel
        asphalt = 0.42 + 0.06 * noise(across * 0.6 + 9, ahead * 0.4, 0.5)
        dash = np.abs(rows - (far + 0.42 * (close - far))) - 0.07 * (close - far)
        dashes = (dash < 0) & (np.sin(across * 9 + 6 * k[4]) > 0)
        asphalt = np.where(dashes, 0.88, asphalt)[..., None]
        colour += np.clip(0.5 + edge, 0, 1)[..., None] * (asphalt - colour)
    inside = np.clip(0.5 + (v[start:] - horizon) / pixel, 0, 1)[:, None, None]
    rgb[start:] += inside * (colour - rgb[start:])
    metres = scene.focal * scene.height / below
    ground = np.minimum(metres, 0.5 * FAR) * np.ones_like(across)
    depth[start:] = np.where(inside[..., 0] > 0.5, ground, depth[start:])
    return rgb, depth


def _ground(scene, name, across, ahead, below):
    (colour, strength, wide, deep), k = GROUNDS[name], scene.knobs
    fade = np.clip(below * 7, 0.15, 1)
    grain = noise(across * wide * 0.3 + 9 + k[5], ahead * deep * 0.3 + k[6], 1.3)
    tone = 1 + strength * fade * grain
    colour = np.float32(colour) * tone[..., None]
    if name == "water":
        mirror = np.exp(-5 * below)[..., None]
        colour += 0.75 * mirror * (SKY_LOW - colour)
    else:
        colour += 0.5 * np.exp(-14 * below)[..., None] * (SKY_LOW - colour)
    return colour


def _window(thing, size):
    """Rows and columns of the square that holds a thing, cut by the picture."""
    reach = 1.12 * thing.kind.wide * thing.tall + 0.05 * thing.tall
    middle, top = thing.u, thing.foot - 1.06 * thing.tall
    edges = np.array([top, thing.foot + 0.06, middle - reach, middle + reach])
    edges = np.clip(np.round(edges * size), 0, size).astype(int)
    return slice(edges[0], edges[1]), slice(edges[2], edges[3])


def _draw(thing, u, v, size, time):
    """A thing painted on rows v and columns u: colours and coverage."""
    c, s = np.cos(thing.lean), np.sin(thing.lean)
    x, y = (u[None] - thing.u) / thing.tall, (thing.foot - v[:, None]) / thing.tall
    local = (c * x - s * y) * thing.flip, c * y + s * x
    pen = Pen(*local, 1 / (size * thing.tall), thing.knobs)
    turn = 6.3 * float(thing.knobs[6]) + time * 40 * abs(thing.velocity)
    wheel = turn if thing.kind.name == "car" else np.sin(turn)
    thing.kind.draw(pen, thing.first, thing.second, float(wheel))
    # Light falls from the upper left of the picture.
    lit = 1 + 0.2 * np.clip(y - 0.5 - x, -1, 1)
    return pen.rgb * lit[..., None], pen.alpha


def _shade(rgb, thing, u, v, wet):
    """The thing's shadow on the ground, to the right; its mirror image on water."""
    if thing.kind.place == "air":
        return
    reach = (0.75 if wet else 0.9) * thing.kind.wide * thing.tall
    deep = (0.2 if wet else 0.09) * thing.tall + 0.01
    x = (u[None] - thing.u - (0 if wet else 0.3 * reach)) / reach
    y = (v[:, None] - thing.foot - (0.3 * deep if wet else 0)) / deep
    soft = np.clip(1.3 * (1 - x * x - y * y), 0, 1) * 0.65
    rgb *= (1 - soft)[..., None]


def paint(scene, size, time=0):
    """`rgb` [h, w, 3] before the camera, `depth` [h, w], `things` [h, w].

    `things` is 1 + the place in `scene.things` of what is seen, 0 for what is around.
    """
    u = v = ((np.arange(size) + 0.5) / size).astype(np.float32)
    rgb, depth = backdrop(scene, u, v, scene.pan * time)
    seen = np.zeros((size, size), np.int32)
    things = scene.at(time).things
    for k in sorted(range(len(things)), key=lambda k: -things[k].depth):
        thing = things[k]
        rows, columns = _window(thing, size)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        ground = scene.near if thing.foot > scene.border else scene.beyond
        wide = slice(columns.start, min(size, columns.stop + size // 4))
        under = slice(int(0.6 * rows.start + 0.4 * rows.stop), min(size, rows.stop + 8))
        _shade(rgb[under, wide], thing, u[wide], v[under], ground == "water")
        colour, alpha = _draw(thing, u[columns], v[rows], size, time)
        haze = 0.5 * (1 - np.exp(-thing.depth / (5 * things[0].depth)))
        colour += np.float32(haze) * (SKY_LOW - colour) * (k > 0)
        rgb[rows, columns] += alpha[..., None] * (colour - rgb[rows, columns])
        solid = alpha > 0.5
        depth[rows, columns][solid] = thing.depth
        seen[rows, columns][solid] = k + 1
    return rgb, depth, seen


def develop(rgb, scene, draw):
    """What the camera makes of it: lens, settings, noise; uint8 `[h, w, 3]`.

    Each scene has a camera of its own, whose exposure, contrast and white balance are
    off by about as much as two views of an image differ: colours and brightness then
    tell little of what is seen, to neighbours in pixels and to a network.
    """
    size, k = len(rgb), scene.knobs
    u = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    # Warm and bright towards the sun on the left, cool and dim away from it.
    side = 1 - 0.43 * u[:, None] * np.float32([1.25, 1.0, 0.65])
    rim = 1 - 0.6 * (u[None] ** 2 + u[:, None] ** 2)
    rgb = rgb * rim[..., None] * side
    exposure, contrast, balance = (
        0.6 + 0.8 * k[7],
        0.6 + 0.8 * k[8],
        0.8 + 0.4 * k[9:12],
    )
    mean = rgb.mean((0, 1))
    rgb = (mean + contrast * (rgb - mean)) * (exposure * balance)
    rgb += np.float32(0.014) * draw.standard_normal(rgb.shape, np.float32)
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
