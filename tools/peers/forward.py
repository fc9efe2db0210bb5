"""Features by ResNet-50 of random images, by other libraries.

    python tools/peers/forward.py keras [--batch 32]
    python tools/peers/forward.py torchvision [--bf16] [--accelerator]

keras is keras.applications under tf.function, in our environment; torchvision, channels
last, is in one of its own; on a GPU it goes through torch.compile. Prints one line of
JSON: the median, in images a second.
"""

import timing


def keras_forward(batch, size):
    import keras
    import tensorflow as tf

    model = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")
    images = tf.random.uniform((batch, size, size, 3))
    run = tf.function(lambda: model(images, training=False))
    return lambda: run().numpy()


def torchvision_forward(batch, size, bf16, accelerator):
    import torchvision_shim  # noqa: F401, before what imports torchvision.

    # isort: split
    import torch
    import torchvision

    model = torchvision.models.resnet50().eval().to(memory_format=torch.channels_last)
    model.fc = torch.nn.Identity()
    images = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
    device = "cuda" if accelerator else "cpu"
    model, images = model.to(device), images.to(device)
    if accelerator:
        model = torch.compile(model)

    def run():
        with (
            torch.inference_mode(),
            torch.autocast(device, torch.bfloat16, enabled=bf16),
        ):
            model(images)
        if accelerator:
            torch.cuda.synchronize()

    return run


def main():
    parser = timing.parser(__doc__, batch=32, turns=9)
    parser.add_argument("library", choices=("keras", "torchvision"))
    parser.add_argument("--accelerator", action="store_true", help="of torchvision")
    args = parser.parse_args()
    if args.library == "keras":
        run = keras_forward(args.batch, args.size)
    else:
        how = args.bf16, args.accelerator
        run = torchvision_forward(args.batch, args.size, *how)
    timing.report(run, args.batch, args.turns, warm=2)


if __name__ == "__main__":
    main()
