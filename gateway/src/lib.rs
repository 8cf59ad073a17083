//! The OpenAI-compatible edge.
