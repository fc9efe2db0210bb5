"""What of an image a cell of a map sees: its field of view."""

import keras


def field_of_view(model, name=None, size=None):
    """Where the window of the first cell of a map begins, the stride from one cell to
    the next, and the side of a window: in pixels.

    Behind a layer of kernel k, dilation d and stride s that pads p before:

        side <- side + (k - 1) d stride
        first <- first - p stride
        stride <- s stride

    Where paths join it is the widest. What looks at the whole image counts as nothing.

    Args:
        name: of an output; None of a model that has but one.
        size: the side of images, by which TensorFlow pads where there is a stride. None
            is of a multiple of all strides.
    """
    views = _views(model, (0, 1, 1, size))
    return views[id(model.output if name is None else model.output[name])][:3]


def centre(model, name=None, size=None):
    """The pixel on which the first cell of a map lies, and the stride: in pixels.

    None where a layer of the model does not tell what it sees.
    """
    out = model.output if name is None else model.output[name]
    first, stride, side, cells = _views(model, (0, 1, 1, size))[id(out)]
    if size:
        shape = (1, size, size, model.input_shape[-1])
        shapes = model.compute_output_shape(shape)
        if (shapes if name is None else shapes[name])[1] != cells:
            return None
    return first + (side - 1) / 2, stride


def _views(model, view):
    """{id of each tensor of a model: its view}, of what the model is given."""
    views = {id(model.input): view}
    for operation in model.operations:
        # A network inside of a network is called there, on other than its own inputs.
        for node in operation._inbound_nodes:
            known = [views[id(x)] for x in node.input_tensors if id(x) in views]
            if not known:
                continue
            view = max(known, key=lambda view: view[2])
            if isinstance(operation, keras.Model):
                within = _views(operation, view)
                found = [within[id(x)] for x in operation.outputs]
            else:
                found = [_behind(operation, view)] * len(node.outputs)
            views |= dict(zip(map(id, node.outputs), found))
    return views


def _behind(layer, view):
    first, stride, side, n = view
    config = layer.get_config() if hasattr(layer, "get_config") else {}
    if "strides" not in config:
        padding = config.get("padding")
        if isinstance(padding, (tuple, list)):  # ZeroPadding2D and its like.
            first -= padding[0][0] * stride
            n = n and n + sum(padding[0])
        return first, stride, side, n
    k = (config.get("kernel_size") or config.get("pool_size"))[0]
    s, d = config["strides"][0], config.get("dilation_rate", (1,))[0]
    reach = (k - 1) * d
    if config["padding"] == "same":
        # What the last window wants beyond the map, half of it before.
        last = s * ((n - 1) // s) if n else 0
        wanted = last + reach + 1 - n if n else reach + 1 - s
        first -= max(wanted, 0) // 2 * stride
        n = n and -(-n // s)
    else:
        n = n and (n - reach - 1) // s + 1
    return first, stride * s, side + reach * stride, n
