//! The composition root: one binary, every service.
