"""`python app.py` runs the whole product; gunicorn and `flask --app app` take `app` from here."""

import gc
import sys

gc.disable()  # what is imported stays, and looking through it takes a sixth of the start

if __name__ == "__main__":
    from mealquest.product import main

    gc.freeze()
    gc.enable()
    sys.exit(main())

from mealquest.launch import application  # noqa: E402

gc.freeze()
gc.enable()
app = application()
