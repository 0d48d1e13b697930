"""QR pictures, as markup that no page's policy forbids."""

import io

import segno


def svg(text: str, title: str) -> str:
    """An `<svg>` as large as its place, black on white with its quiet zone, named `title`."""
    picture = io.BytesIO()
    drawn = segno.make(text, error="m", micro=False)
    drawn.save(
        picture,
        kind="svg",
        xmldecl=False,
        omitsize=True,
        nl=False,
        light="#fff",
        svgclass="mq-qr",
        lineclass=None,
        title=title,
    )
    return picture.getvalue().decode().replace(" class=", ' role="img" class=', 1)
