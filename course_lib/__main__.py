"""``python -m course_lib``: train a row of a table, fill a table, show the results, measure."""

from course_lib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
