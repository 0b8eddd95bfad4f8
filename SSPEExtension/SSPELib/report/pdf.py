"""The report as PDF: the same page, printed by WeasyPrint (the extra `pdf`)."""

from __future__ import annotations

from ..errors import InputError


def check_pdf() -> None:
    """Make sure, before any work, that a page can be printed.

    Raises:
        ModuleNotFoundError: the extra `pdf` is not installed.
        InputError: a system library that WeasyPrint needs is missing.
    """
    try:
        import weasyprint  # noqa: F401
    except OSError as error:
        raise InputError(
            "A PDF needs the system library Pango (on Debian and Ubuntu: apt-get install libpangoft2-1.0-0); install "
            "it, or print the HTML page from a browser."
        ) from error


def pdf_of(page: str) -> bytes:
    """Print an HTML page that holds its figures to PDF, A4."""
    import weasyprint

    printed: bytes = weasyprint.HTML(string=page).write_pdf()
    return printed
