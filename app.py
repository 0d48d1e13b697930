"""`python app.py` runs the whole product; gunicorn and `flask --app app` take `app` from here."""

import sys

if __name__ == "__main__":
    from mealquest.product import main

    sys.exit(main())

from mealquest.launch import application

app = application()
