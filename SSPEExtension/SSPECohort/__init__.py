"""Cohorts: a table of CTs, worked through row by row on many processes or computers, resumable at any moment."""
