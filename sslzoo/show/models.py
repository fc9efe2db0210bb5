"""Models, and what was made with them, as a person reads it in a terminal."""

from rich import box, console, table, text


def models_table(rows, file=None, why=""):
    """Prints the rows of `listing.list_models(as_table=True)`.

    Args:
        why: there are none, if it is known.
    """
    out = console.Console(file=file, highlight=False)
    if not rows:
        where = "Where models are looked for: sslzoo list --help."
        out.print(f"No model. {why or where}", markup=False)
        return
    drawn = table.Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    drawn.add_column("model", no_wrap=True)
    for name in ("params", "px", "dims"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("weights", no_wrap=True)
    drawn.add_column("under")  # The one that is cut where there is no room.
    for row in rows:
        licence = text.Text(row["license"], no_wrap=True, overflow="ellipsis")
        drawn.add_row(
            row["name"], f"{row['parameters'] / 1e6:.3g} M",
            str(row["size"]), str(row["features"]), row["weights"], licence,
        )  # fmt: skip
    out.print(drawn)
    defaults = [row["name"] for row in rows if row["default"]]
    if defaults:
        bare = defaults[0].partition(".")[0]
        out.print(f"A name without its tag will do: {bare} is {defaults[0]}.")


def card(info, file=None):
    """Prints a `listing.ModelInfo`."""
    console.Console(file=file, highlight=False, soft_wrap=True).print(
        str(info), markup=False
    )


def written(result, file=None):
    """Prints what `sslzoo features` wrote."""
    out = console.Console(file=file, highlight=False, soft_wrap=True)
    revision = f", revision {result['revision']}" if result["revision"] else ""
    words = f"{result['images']} images, {result['dimensions']} numbers each, of "
    words += f"{result['model']}{revision}, {result['endpoint']}: {result['out']}"
    out.print(words, markup=False)


def bundled(result, file=None):
    """Prints what `sslzoo bundle` wrote, and how it is used."""
    out = console.Console(file=file, highlight=False, soft_wrap=True)
    names = ", ".join(result["models"])
    out.print(
        f"{names}: {result['bytes'] / 1e6:.1f} MB in {result['out']}", markup=False
    )
    where = "that folder" if result["folder"] else "the folder it is unpacked into"
    words = f"On the machine without network, set SSLZOO_CACHE to {where}."
    out.print(words, markup=False)


def pictured(result, file=None):
    """Prints what `sslzoo show` drew, and the means of its figures."""
    out = console.Console(file=file, highlight=False, soft_wrap=True)
    for name, value in result["figures"].items():
        out.print(f"{name}: {value:.3f}", markup=False)
    out.print(result["out"], markup=False)
