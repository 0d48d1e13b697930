"""`python app.py` runs the whole product; gunicorn and `flask --app app` take `app` from here."""

import sys

from mealquest import launch

if __name__ == "__main__":
    sys.exit(launch.main())

app = launch.application()
