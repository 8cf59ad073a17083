//! One chat turn against the upstream.
