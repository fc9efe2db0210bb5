"""What `sslzoo verify` found, as a person reads it in a terminal."""

from rich import box, console, table, text


def checks_table(result, file=None):
    """Prints what `verify.run` gives; of a failure, what to do about it."""
    out = console.Console(file=file, highlight=False)
    utf = out.encoding.lower().startswith("utf")
    good, bad = ("✓", "✗") if utf else ("ok", "NO")
    drawn = table.Table(box=box.SIMPLE_HEAD)
    drawn.add_column("")
    drawn.add_column("seconds", justify="right")
    drawn.add_column("checked")
    for row in result["checks"]:
        words = text.Text(row["words"])
        if not row["passed"]:
            words.append(f"\n{row['name']}: {row['failure']}", style="red")
        drawn.add_row(
            text.Text(good, "green") if row["passed"] else text.Text(bad, "bold red"),
            f"{row['seconds']:.1f}",
            words,
        )
    out.print(drawn)
    versions = {**result["versions"]}
    devices = ", ".join(versions.pop("devices"))
    with_what = ", ".join(f"{name} {version}" for name, version in versions.items())
    failed = sum(not row["passed"] for row in result["checks"])
    lines = [
        f"{len(result['checks']) - failed} of {len(result['checks'])} checks passed in "
        f"{result['seconds']:.0f} s, with {with_what}; on {devices}."
    ]
    if failed:
        lines.append(
            "Do not trust what is trained or measured here. Please report it to the "
            "project with all of: sslzoo verify --json"
        )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
