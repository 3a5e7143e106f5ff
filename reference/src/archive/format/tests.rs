//! Laws of the archive formats.
