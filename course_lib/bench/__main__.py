import sys

from course_lib.bench import main

sys.exit(main())
