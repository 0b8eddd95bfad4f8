"""What is told of a registration: a JSON file for programs, an HTML page and figures for people."""

from .page import page_of
from .subject import Subject
from .summary import summary_of

__all__ = ["Subject", "page_of", "summary_of"]
