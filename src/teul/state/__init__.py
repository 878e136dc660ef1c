"""What teul remembers beside the bytes: SQLite, migrations, one module of plain functions per noun.

SQL is written here and in the tracking store, nowhere else. Bytes first, row second: a row never promises
content that is not yet on disk. Losing the database loses names, never content.
"""
