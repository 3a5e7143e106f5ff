//! Laws of recovery.
