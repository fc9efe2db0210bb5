"""Draw a contact sheet of the toy world, or make a folder of its pictures."""

from sslzoo.errors import BadInput

EXAMPLE = "sslzoo sheet --folder toyworld --count 200"
JSON = False


def arguments(verb):
    where = verb.add_mutually_exclusive_group()
    where.add_argument(
        "--out", default="toyworld.png", metavar="FILE", help="the sheet (toyworld.png)"
    )
    where.add_argument(
        "--folder", metavar="DIR", help="of PNG files instead, one folder a class"
    )
    verb.add_argument("--count", type=int, metavar="N", help="pictures in DIR (200)")


def run(args):
    from sslzoo.show import sheet as sheets

    if args.folder:
        count = {} if args.count is None else {"count": args.count}
        print(sheets.toyworld_folder(args.folder, **count))
    elif args.count is not None:
        raise BadInput("--count is of the pictures in a folder: add --folder DIR.")
    else:
        print(sheets.toyworld_sheet(args.out))
