"""``python -m course_lib``: train a row of a table, fill a table, show the results, measure."""

from course_lib.signals import end_at_once, ignore

if __name__ == "__main__":
    end_at_once()
    from course_lib.cli import main

    status = main()
    ignore()
    raise SystemExit(status)
