"""The shapes of the toy world: a pen, twelve kinds of things, and two kinds of stuff.

A thing is drawn upright in its own frame: x to its right, y up, the foot at (0, 0), the
top at y = 1. A part is a signed distance d(x, y), negative inside, and is painted with
coverage clip(1/2 - d / pixel, 0, 1), so that edges are smooth at every size.
"""

import functools

import numpy as np

TILE = 256
DARK = np.float32([0.13, 0.11, 0.12])
PALE = np.float32([0.95, 0.94, 0.9])
BARK = np.float32([0.38, 0.26, 0.17])
LEAF = np.float32([0.28, 0.5, 0.18])
BEAK = np.float32([0.95, 0.55, 0.12])
PINK = np.float32([0.9, 0.62, 0.6])
GLASS = np.float32([0.5, 0.66, 0.76])


@functools.cache
def tile(exponent):
    """Periodic noise `[TILE, TILE]` of power 1 / f^exponent, mean 0, deviation 1."""
    spectrum = np.fft.rfft2(np.random.default_rng(7).standard_normal((TILE, TILE)))
    fy, fx = np.fft.fftfreq(TILE), np.fft.rfftfreq(TILE)
    radius = np.hypot(fy[:, None], fx[None])
    radius[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum / radius ** (exponent / 2), (TILE, TILE))
    noise = (noise / noise.std()).astype(np.float32)
    noise.setflags(write=False)
    return noise


def noise(x, y, exponent=2.0):
    """The tile at (x, y), both in tiles, wrapped around."""
    rows = (y * TILE).astype(np.int32) & (TILE - 1)
    columns = (x * TILE).astype(np.int32) & (TILE - 1)
    return tile(exponent)[rows, columns]


class Pen:
    """Paints parts on a grid x, y `[h, w]` of a thing's own frame.

    `rgb` `[h, w, 3]` and `alpha` `[h, w]` hold what was painted; `pixel` is the side of
    a pixel in the frame's unit.
    """

    def __init__(self, x, y, pixel, knobs):
        self.x, self.y, self.pixel, self.knobs = x, y, pixel, knobs
        self.rgb = np.zeros((*x.shape, 3), np.float32)
        self.alpha = np.zeros(x.shape, np.float32)

    def paint(self, distance, colour, volume=0.0):
        """Covers where `distance` < 0; with a `volume`, darker towards the edge."""
        cover = np.clip(0.5 - distance / self.pixel, 0, 1)
        if volume:
            shade = 0.66 + 0.4 * np.clip(-distance / volume, 0, 1)
            colour = colour * shade[..., None]
        self.rgb += cover[..., None] * (colour - self.rgb)
        self.alpha += cover * (1 - self.alpha)

    def tint(self, distance, colour):
        """Like `paint`, on what is there already: a marking has no body of its own."""
        cover = np.clip(0.5 - distance / self.pixel, 0, 1) * self.alpha
        self.rgb += cover[..., None] * (colour - self.rgb)

    def ellipse(self, cx, cy, a, b, angle=0.0):
        x, y = self.x - cx, self.y - cy
        if angle:
            c, s = np.cos(angle), np.sin(angle)
            x, y = c * x + s * y, c * y - s * x
        return (np.sqrt((x / a) ** 2 + (y / b) ** 2) - 1) * min(a, b)

    def box(self, cx, cy, a, b, corner=0.0):
        x = np.abs(self.x - cx) - (a - corner)
        y = np.abs(self.y - cy) - (b - corner)
        if not corner:
            return np.maximum(x, y)
        outside = np.sqrt(np.maximum(x, 0) ** 2 + np.maximum(y, 0) ** 2)
        return outside + np.minimum(np.maximum(x, y), 0) - corner

    def capsule(self, x0, y0, x1, y1, radius):
        dx, dy = x1 - x0, y1 - y0
        x, y = self.x - x0, self.y - y0
        along = np.clip((x * dx + y * dy) / (dx * dx + dy * dy), 0, 1)
        return np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2) - radius

    def polygon(self, *corners):
        """Convex, its corners counter-clockwise."""
        distance = None
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
            dx, dy = x1 - x0, y1 - y0
            side = ((self.x - x0) * dy - (self.y - y0) * dx) / np.hypot(dx, dy)
            distance = side if distance is None else np.maximum(distance, side)
        return distance

    def stripes(self, along, period, share=0.5):
        """Negative on the first `share` of each period of the field `along`."""
        place = along / period
        place = place - np.floor(place)
        return (np.abs(place - share / 2) - share / 2) * period

    def noise(self, frequency, exponent=2.0):
        shift = self.knobs[-1] + 8
        return noise(self.x * frequency + shift, self.y * frequency + shift, exponent)


def _legs(pen, places, top, radius, colour, hoof, stride):
    for k, place in enumerate(places):
        swing = 0.09 * stride * (1 if k % 2 else -1)
        leg = pen.capsule(place, top, place + swing, radius, radius)
        pen.paint(leg, colour, 2 * radius)
        pen.tint(np.maximum(leg, pen.y - 2.2 * radius), hoof)


def cow(pen, coat, patch, stride):
    """A long square body with patches, horns, a pink muzzle and a tail."""
    shadowed = coat * 0.75
    _legs(pen, (-0.3, 0.44), 0.5, 0.055, shadowed, DARK, -stride)
    _legs(pen, (-0.44, 0.3), 0.5, 0.06, coat, DARK, stride)
    pen.paint(pen.capsule(-0.55, 0.76, -0.66, 0.36, 0.022), coat)
    pen.paint(pen.ellipse(-0.66, 0.34, 0.04, 0.07), DARK)
    pen.paint(pen.ellipse(-0.22, 0.38, 0.1, 0.08), PINK)
    body = pen.box(0, 0.62, 0.56, 0.235, 0.17)
    pen.paint(body, coat, 0.2)
    head = 0.82 - 0.2 * pen.knobs[0]
    pen.paint(pen.capsule(0.48, 0.74, 0.62, head, 0.12), coat, 0.12)
    spots = np.maximum(body, (0.25 - pen.noise(0.32, 3.0)) * 0.2)
    pen.tint(spots, patch * (0.9 + 0.1 * np.clip(-body / 0.2, 0, 1))[..., None])
    pen.paint(pen.capsule(0.56, head + 0.1, 0.5, head + 0.2, 0.025), PALE * 0.9)
    pen.paint(pen.capsule(0.72, head + 0.1, 0.78, head + 0.2, 0.025), PALE * 0.9)
    pen.paint(pen.ellipse(0.5, head + 0.05, 0.1, 0.045, 0.4), patch)
    pen.paint(pen.ellipse(0.66, head, 0.14, 0.13), coat, 0.1)
    pen.paint(pen.ellipse(0.75, head - 0.09, 0.11, 0.085), PINK, 0.08)
    pen.paint(pen.ellipse(0.66, head + 0.04, 0.03, 0.035), DARK)


def sheep(pen, wool, face, stride):
    """A round curly fleece on short thin legs, a dark narrow face."""
    _legs(pen, (-0.28, 0.3), 0.4, 0.04, face * 0.8, DARK, -stride)
    _legs(pen, (-0.18, 0.2), 0.4, 0.045, face, DARK, stride)
    x, y = pen.x / 0.52, (pen.y - 0.6) / 0.36
    curls = 0.03 * np.abs(np.sin(6.5 * np.arctan2(y, x) + 3 * pen.knobs[0]))
    fleece = (np.sqrt(x * x + y * y) - 1) * 0.36 - curls
    row = np.floor(pen.y * 10)
    a = pen.x * 10 + 0.5 * row + pen.knobs[1]
    curl = (a - np.floor(a) - 0.5) ** 2 + (pen.y * 10 - row - 0.7) ** 2
    pen.paint(fleece, wool * (1.08 - 0.55 * curl)[..., None], 0.3)
    head = 0.72 - 0.25 * pen.knobs[2]
    pen.paint(pen.ellipse(0.4, head + 0.02, 0.12, 0.05, 0.6), face * 0.8)
    pen.paint(pen.ellipse(0.52, head - 0.04, 0.12, 0.17, 0.5), face, 0.1)
    pen.paint(pen.ellipse(0.46, head + 0.12, 0.13, 0.075), wool, 0.08)
    pen.paint(pen.ellipse(0.53, head, 0.03, 0.03), PALE)
    pen.paint(pen.ellipse(0.535, head, 0.015, 0.015), DARK)


def tree(pen, leaf, fruit, stride):
    """A round dappled crown of boughs on a forked trunk."""
    fork = 0.42 + 0.08 * pen.knobs[0]
    bark = BARK * (0.9 + 0.15 * np.sin(pen.x * 130))[..., None]
    pen.paint(pen.capsule(0, 0.02, 0, fork, 0.055), bark, 0.08)
    pen.paint(pen.capsule(0, fork - 0.1, 0.2, fork + 0.16, 0.03), bark)
    pen.paint(pen.capsule(0, fork - 0.1, -0.2, fork + 0.16, 0.03), bark)
    dapple = np.clip(0.95 + 0.2 * pen.noise(0.8, 1.0), 0.5, 1.4)
    for k, (cx, cy) in enumerate([(-0.25, 0.56), (0.25, 0.58), (0, 0.6), (0.02, 0.77)]):
        radius = 0.2 + 0.05 * pen.knobs[k]
        bough = pen.ellipse(cx, cy, radius, 0.9 * radius) + 0.02 * (dapple - 1)
        pen.paint(bough, leaf * dapple[..., None], 0.16)
    if pen.knobs[4] > 0.5:
        for k in range(7):
            angle = 2.4 * k + 6 * pen.knobs[5]
            reach = 0.1 + 0.04 * k
            cx, cy = reach * np.cos(angle), 0.64 + 0.7 * reach * np.sin(angle)
            pen.tint(pen.ellipse(cx, cy, 0.035, 0.035), fruit)


def pine(pen, leaf, frost, stride):
    """Tiers of drooping needles that narrow to a point."""
    pen.paint(pen.capsule(0, 0.02, 0, 0.3, 0.045), BARK, 0.07)
    tiers = 4 if pen.knobs[0] < 0.5 else 5
    teeth = 0.02 * np.abs(np.sin(pen.x * 34 + 5 * pen.knobs[1]))
    needles = 0.92 + 0.16 * np.sin(pen.x * 90 + 40 * pen.y * np.sign(pen.x))
    snowy = pen.knobs[2] > 0.6
    for k in range(tiers):
        low, top = 0.12 + 0.66 * k / tiers, 0.12 + 0.66 * k / tiers + 1.35 / tiers
        wide = 0.36 * (1 - 0.72 * k / tiers) + 0.02
        tier = pen.polygon((-wide, low), (wide, low), (0, min(top, 1.0))) + teeth
        height = np.clip((pen.y - low) * tiers, 0, 1)
        pen.paint(tier, leaf * (needles * (0.6 + 0.6 * height))[..., None])
        if snowy:
            pen.tint(np.maximum(tier, pen.y - low - 0.06 + teeth), frost)


def house(pen, wall, roof, stride):
    """A wall of courses, a tiled gable, a door, windows and a chimney."""
    k = pen.knobs
    pen.paint(pen.box(0.26, 0.82, 0.06, 0.15), BARK * 1.2)
    course = pen.stripes(pen.y, 0.07, 0.16)
    body = pen.box(0, 0.28, 0.46, 0.28)
    pen.paint(body, wall * (1 - 0.12 * (pen.x + 0.46))[..., None])
    pen.tint(np.maximum(body, course), wall * 0.78)
    ridge = 0.26 if k[0] > 0.5 else 0.02
    gable = pen.polygon((-0.58, 0.52), (0.58, 0.52), (ridge, 1.0), (-ridge, 1.0))
    tiles = np.maximum(gable, pen.stripes(pen.y, 0.085, 0.25))
    pen.paint(gable, roof)
    pen.tint(tiles, roof * 0.7)
    door = -0.28 + 0.28 * int(3 * k[1])
    pen.tint(pen.box(door, 0.17, 0.09, 0.17), BARK * (0.6 + 0.5 * k[2]))
    pen.tint(pen.ellipse(door + 0.05, 0.16, 0.018, 0.018), PALE)
    for place in (-0.28, 0.0, 0.28):
        if abs(place - door) < 0.1:
            continue
        pen.tint(pen.box(place, 0.31, 0.1, 0.1), PALE)
        pen.tint(pen.box(place, 0.31, 0.08, 0.08), GLASS * 0.6)
        cross = np.minimum(np.abs(pen.x - place), np.abs(pen.y - 0.31)) - 0.012
        pen.tint(np.maximum(cross, pen.box(place, 0.31, 0.09, 0.09)), PALE)


def car(pen, body, trim, stride):
    """A cabin of glass on a rounded body, two wheels with hubs, lamps and a bumper."""
    k = pen.knobs
    rear, bonnet = -0.62 - 0.3 * k[0], 0.3 + 0.2 * k[1]
    cabin = pen.polygon(
        (rear - 0.1, 0.55), (bonnet + 0.25, 0.55), (bonnet, 0.97), (rear + 0.12, 0.97)
    )
    pen.paint(cabin - 0.03, body * 0.92)
    glass = GLASS * (0.75 + 0.5 * (pen.y - 0.55))[..., None]
    pen.tint(cabin + 0.06, glass)
    pillar = 0.5 * (rear + bonnet) + 0.05
    pen.tint(pen.box(pillar, 0.75, 0.035, 0.24), body * 0.92)
    low = pen.box(0, 0.41, 1.08, 0.23, 0.14)
    pen.paint(low, body * (0.75 + 0.6 * (pen.y - 0.18))[..., None])
    pen.tint(np.maximum(low, np.abs(pen.y - 0.36) - 0.025), trim)
    pen.tint(pen.box(pillar, 0.45, 0.014, 0.16), body * 0.5)
    pen.tint(pen.box(pillar - 0.14, 0.52, 0.06, 0.018), DARK)
    pen.tint(pen.ellipse(0.98, 0.5, 0.08, 0.065), np.float32([1, 0.95, 0.7]))
    pen.tint(pen.box(-1.03, 0.5, 0.06, 0.06), np.float32([0.8, 0.1, 0.08]))
    pen.paint(pen.box(0, 0.22, 1.1, 0.035, 0.03), DARK * 2)
    for place in (-0.6, 0.62):
        pen.paint(pen.ellipse(place, 0.2, 0.23, 0.2), DARK)
        pen.paint(pen.ellipse(place, 0.2, 0.13, 0.115), PALE * 0.75)
        spoke = np.cos(stride), np.sin(stride)
        bar = np.abs((pen.x - place) * spoke[1] - (pen.y - 0.2) * spoke[0]) - 0.025
        pen.tint(np.maximum(bar, pen.ellipse(place, 0.2, 0.12, 0.105)), DARK)


def boat(pen, hull, sail, stride):
    """Two seamed sails on a mast above a planked hull."""
    k = pen.knobs
    pen.paint(pen.capsule(0, 0.15, 0, 0.98, 0.016), BARK)
    reach, low = 0.32 + 0.14 * k[0], 0.29
    main = pen.polygon((0.03, low), (reach, low), (0.03, 0.97))
    jib = pen.polygon((-0.36 - 0.06 * k[1], low), (-0.03, low), (-0.03, 0.86))
    seams = pen.stripes(pen.y + 0.35 * pen.x, 0.115, 0.14)
    cloth = np.float32(PALE if k[2] < 0.5 else sail)
    for part, colour in ((main, cloth), (jib, sail)):
        billow = 0.82 + 0.3 * np.clip(-part / 0.1, 0, 1)
        pen.paint(part, colour * billow[..., None])
        pen.tint(np.maximum(part, seams), colour * 0.7)
    pen.paint(pen.polygon((0, 0.93), (0.13, 0.955), (0, 1.0)), hull)
    deck = pen.polygon((-0.3, 0.0), (0.32, 0.0), (0.5, 0.23), (-0.48, 0.21))
    pen.paint(deck, hull * (0.6 + 1.8 * np.clip(pen.y, 0, 0.22))[..., None])
    pen.tint(np.maximum(deck, pen.stripes(pen.y, 0.065, 0.2)), hull * 0.55)
    pen.tint(np.maximum(deck, 0.185 - pen.y), PALE * 0.95)


def duck(pen, feather, wing, stride):
    """A rocking body with an upturned tail, a folded wing, a round head and a bill."""
    pen.paint(pen.polygon((-0.62, 0.58), (-0.44, 0.2), (-0.2, 0.42)), feather * 0.85)
    body = pen.ellipse(-0.06, 0.27, 0.48, 0.27)
    pen.paint(body, feather, 0.2)
    bob = 0.02 * stride
    pen.paint(pen.capsule(0.24, 0.34, 0.28, 0.66 + bob, 0.13), feather, 0.12)
    pen.paint(pen.ellipse(0.3, 0.77 + bob, 0.21, 0.2), feather, 0.14)
    if pen.knobs[0] > 0.5:
        ring = np.abs(pen.y - 0.56) - 0.03
        pen.tint(np.maximum(ring, pen.box(0.28, 0.56, 0.2, 0.1)), wing)
    bill = pen.ellipse(0.55, 0.72 + bob, 0.14, 0.055, -0.12)
    pen.paint(bill, BEAK, 0.05)
    pen.paint(pen.ellipse(0.37, 0.83 + bob, 0.045, 0.05), PALE)
    pen.paint(pen.ellipse(0.38, 0.83 + bob, 0.025, 0.03), DARK)
    fold = pen.ellipse(-0.14, 0.32, 0.3, 0.15, -0.2)
    pen.tint(fold, wing)
    rays = pen.stripes(pen.x + 0.9 * np.abs(pen.y - 0.32), 0.1, 0.25)
    pen.tint(np.maximum(fold, rays), wing * 0.65)


def balloon(pen, first, second, stride):
    """A striped envelope drawn in to a basket that hangs from it."""
    for side in (-1, 1):
        pen.paint(pen.capsule(0.07 * side, 0.1, 0.12 * side, 0.28, 0.008), DARK)
    x, y = pen.x, pen.y - 0.64
    # The envelope's half width at each height: a circle that tapers below its middle.
    drop = np.clip(-y / 0.42, 0, 1)
    half = 0.36 * np.sqrt(np.clip(1 - (y / np.where(y > 0, 0.36, 0.46)) ** 2, 0, 1))
    half = half * (1 - 0.12 * drop) + 1e-4
    envelope = np.maximum(np.abs(x) - half, np.maximum(y - 0.36, -y - 0.42))
    gores = np.arcsin(np.clip(x / half, -1, 1)) + 0.4 * pen.knobs[0]
    count = 4 + int(3 * pen.knobs[1])
    if pen.knobs[2] < 0.7:
        band = np.sin(gores * count) * half / count
    else:
        band = np.sin((pen.y + 0.06 * np.cos(gores)) * 26) * 0.05
    round_ = 0.72 + 0.34 * np.cos(gores)
    pen.paint(envelope, first * round_[..., None])
    pen.tint(np.maximum(envelope, band), second * round_[..., None])
    pen.paint(pen.box(0, 0.06, 0.09, 0.06, 0.02), BARK * 1.3)
    pen.tint(pen.stripes(pen.y, 0.035, 0.4) + 1e3 * (pen.y > 0.12), BARK * 0.8)


def butterfly(pen, wing, spot, stride):
    """Four rimmed wings with eyespots, mirrored at a thin body with feelers."""
    pen.x = pen.x / (1 - 0.22 * (1 + stride))
    mirrored = pen.x
    pen.x = np.abs(pen.x)
    rim = spot * 0.35
    lower = pen.ellipse(0.22, 0.28, 0.26, 0.19, -0.9 - 0.2 * pen.knobs[0])
    upper = pen.ellipse(0.32, 0.66, 0.36, 0.22, 0.62 + 0.2 * pen.knobs[1])
    veins = pen.stripes(np.arctan2(pen.y - 0.45, pen.x + 0.05), 0.3, 0.14) * 0.3
    for part in (lower, upper):
        pen.paint(part, rim)
        pen.tint(part + 0.035, wing * (1.1 - 0.4 * pen.x)[..., None])
        pen.tint(np.maximum(part + 0.035, veins), rim)
    size = 0.07 + 0.03 * pen.knobs[2]
    for cx, cy in ((0.42, 0.74), (0.26, 0.26)):
        pen.tint(pen.ellipse(cx, cy, size + 0.025, size + 0.025), DARK)
        pen.tint(pen.ellipse(cx, cy, size, size), spot)
        pen.tint(pen.ellipse(cx, cy, 0.4 * size, 0.4 * size), PALE)
    pen.paint(pen.capsule(0.02, 0.7, 0.14, 0.97, 0.016), DARK)
    pen.x = mirrored
    pen.paint(pen.capsule(0, 0.2, 0, 0.7, 0.042), DARK, 0.05)


def mushroom(pen, cap, stem, stride):
    """A spotted dome above gills, on a stem that swells to its foot."""
    k = pen.knobs
    thick = 0.1 + 0.05 * k[0]
    rim = 0.5 - 0.1 * k[3]
    taper = thick * 1.4
    pen.paint(
        pen.polygon((-taper, 0.03), (taper, 0.03), (thick * 0.9, 0.6), (-thick, 0.6)),
        stem * (1.02 - 1.2 * pen.x)[..., None],
    )
    pen.paint(pen.ellipse(0, 0.36, thick * 1.7, 0.045), stem * 0.85)
    wide = 0.4 + 0.1 * k[1]
    gills = pen.ellipse(0, rim + 0.02, wide * 0.93, 0.085)
    pen.paint(gills, stem * 0.72)
    pen.tint(np.maximum(gills, pen.stripes(pen.x, 0.07, 0.4)), stem * 0.5)
    dome = np.maximum(pen.ellipse(0, rim, wide, 1 - rim), rim + 0.03 - pen.y)
    pen.paint(dome, cap, 0.2)
    places = (-0.68, 0.2), (-0.2, 0.24), (0.28, 0.2), (0.7, 0.22), (-0.4, 0.55)
    for n, (cx, cy) in enumerate((*places, (0.05, 0.56), (0.42, 0.52), (-0.05, 0.84))):
        cx, cy = wide * (cx + 0.16 * (k[2] - 0.5)), rim + (1 - rim) * cy
        dot = pen.ellipse(cx, cy, 0.04 + 0.03 * k[n % 6], 0.035 + 0.025 * k[n % 6])
        pen.tint(np.maximum(dot, dome + 0.01), stem)


def flower(pen, petal, heart, stride):
    """A wheel of petals around a seeded heart, on a stalk with two leaves."""
    k = pen.knobs
    pen.paint(pen.capsule(0, 0.0, 0.02, 0.6, 0.024), LEAF, 0.04)
    pen.paint(pen.ellipse(-0.17, 0.24, 0.18, 0.065, -0.5), LEAF, 0.06)
    pen.paint(pen.ellipse(0.18, 0.34 - 0.15 * k[0], 0.18, 0.065, 0.5), LEAF * 0.9, 0.06)
    x, y = pen.x - 0.02, pen.y - 0.68
    radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x)
    count = 6 + 2 * int(4 * k[1])
    lobe = np.abs(np.cos(0.5 * count * angle + 3 * k[2]))
    wheel = radius - (0.15 + 0.17 * np.sqrt(lobe))
    ray = 0.62 + 0.46 * lobe
    pen.paint(wheel, petal * ray[..., None])
    disc = radius - 0.1 - 0.05 * k[3]
    seeds = 0.75 + 0.4 * (np.sin(pen.x * 80) * np.sin(pen.y * 80) > 0)
    pen.paint(disc, heart * seeds[..., None], 0.1)


def bush(pen, leaf, other, stride):
    """Stuff: low leaves with no trunk."""
    dapple = np.clip(0.9 + 0.22 * pen.noise(0.8, 1.0), 0.4, 1.4)[..., None]
    for cx, cy, radius in ((-0.5, 0.36, 0.4), (0.45, 0.38, 0.42), (0, 0.5, 0.5)):
        part = pen.ellipse(cx, cy, radius, radius)
        pen.paint(np.maximum(part, -pen.y), leaf * dapple, 0.4)


def rock(pen, stone, other, stride):
    """Stuff: a lump with cracks."""
    lump = pen.ellipse(0, 0.3, 0.8, 0.62) + 0.1 * pen.noise(0.15, 3.0)
    grain = np.clip(0.9 + 0.15 * pen.noise(0.5, 1.5), 0.4, 1.3)
    pen.paint(np.maximum(lump, -pen.y), stone * grain[..., None], 0.4)
