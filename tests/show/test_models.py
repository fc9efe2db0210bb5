import io

from sslzoo.show import models

ROW = {
    "name": "byol_r18.toy",
    "default": True,
    "method": "byol",
    "backbone": "r18",
    "parameters": 11_200_000,
    "size": 224,
    "features": 512,
    "license": "MIT",
    "weights": "to fetch",
    "summary": "A [test].",
}


def drawn(draw, what):
    file = io.StringIO()
    draw(what, file)
    return file.getvalue()


def test_a_row_says_what_one_chooses_by():
    text = drawn(models.models_table, [ROW])
    for words in (
        "byol_r18.toy",
        "11.2 M",
        "224",
        "512",
        "MIT",
        "to fetch",
        "byol_r18 is",
    ):
        assert words in text


def test_an_empty_list_says_where_to_look():
    assert "sslzoo list --help" in drawn(models.models_table, [])


def test_what_was_written_is_one_line():
    result = {"images": 7, "dimensions": 128, "model": "byol_r18.toy", "revision": 2}
    text = drawn(models.written, {**result, "endpoint": "pooled", "out": "x.npz"})
    assert text == (
        "7 images, 128 numbers each, of byol_r18.toy, revision 2, pooled: x.npz\n"
    )
