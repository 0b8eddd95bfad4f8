"""What is told of a result: a JSON file for programs, an HTML page and figures for people.

The pages, which need Matplotlib, are in `page` and `assembly_page`.
"""

from .assembly import Assembly, summary_of_assembly
from .subject import Subject
from .summary import summary_of

__all__ = ["Assembly", "Subject", "summary_of", "summary_of_assembly"]
