"""The long runs of the book, one file each: `python -m lawrob_utils.experiments NAME`; results go to book/recorded/."""
