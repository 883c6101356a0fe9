#!/usr/bin/env python
"""Headwater's command line: `python manage.py help` lists what it can do."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    if sys.argv[1:2] == ["demo"]:
        from config import firstrun

        firstrun.prepare()
    execute_from_command_line(sys.argv)
