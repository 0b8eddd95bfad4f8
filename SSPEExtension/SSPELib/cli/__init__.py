"""The command line `sspe`: one command a file, each a thin layer over the library."""
