"""What is told of a result: a JSON file for programs, an HTML page and figures for people."""

from .assembly import Assembly, summary_of_assembly
from .assembly_page import page_of_assembly
from .page import page_of
from .subject import Subject
from .summary import summary_of

__all__ = ["Assembly", "Subject", "page_of", "page_of_assembly", "summary_of", "summary_of_assembly"]
