"""The recipe of Revisiting's study, made small."""

from sslzoo import recipe

SMALL = recipe.module(recipe.find("revisiting_small")).SMALL


def small(task, **knobs):
    size = {"jigsaw": 24, "relative_patch": 24}.get(task, 32)
    return recipe.load(
        "revisiting_small", **{**SMALL, "task": task, "image_size": size, **knobs}
    )
