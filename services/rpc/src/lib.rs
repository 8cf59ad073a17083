//! Plumbing every service shares: endpoints, deadlines, context, status reasons, the server.
