//! Properties of this repository, checked as tests.
