//! The embedded upstream: speaks the real wire format, with scriptable faults.
