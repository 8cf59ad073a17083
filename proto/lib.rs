//! The contract of Warp2Api: every service and message, generated from the `.proto` files beside this one.
//!
//! What is written by hand here is what generated code cannot do: JSON values that keep the order of their keys
//! ([`value`]), upstream messages that pass through untouched ([`opaque`]), names for the upstream's events
//! ([`event_type`]), the descriptors decoded ([`descriptors`]), buffers of a fitting size ([`framing`]), and leases and
//! credentials whose `Debug` shows no secret.

mod credential;
pub mod descriptors;
pub mod event_type;
pub mod framing;
mod lease;
pub mod opaque;
#[cfg(test)]
mod tests_schema;
#[cfg(test)]
mod tests_tidy;
#[cfg(test)]
mod tests_vectors;
pub mod value;

/// The encoded `FileDescriptorSet` of every file in `proto/`, with options; comments are in [`descriptors`].
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The `domain` of every `google.rpc.ErrorInfo` that Warp2Api sends.
pub const ERROR_DOMAIN: &str = "warp2api";

/// Our own packages.
pub mod error {
    /// Version 1.
    #[allow(unused_qualifications, missing_docs, clippy::all, reason = "generated")]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/ours/warp2api.error.v1.rs"));
    }
}

/// JSON to protobuf and back.
pub mod codec {
    /// Version 1.
    #[allow(
        unused_qualifications,
        missing_docs,
        missing_debug_implementations,
        clippy::all,
        reason = "generated"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/ours/warp2api.codec.v1.rs"));
    }
}

/// The pool of upstream credentials.
pub mod token_pool {
    /// Version 1.
    #[allow(
        unused_qualifications,
        missing_docs,
        missing_debug_implementations,
        clippy::all,
        reason = "generated"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/ours/warp2api.token_pool.v1.rs"));
    }
}

/// Chat turns against the upstream.
pub mod warp_chat {
    /// Version 1.
    #[allow(
        unused_qualifications,
        missing_docs,
        missing_debug_implementations,
        clippy::all,
        reason = "generated"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/ours/warp2api.warp_chat.v1.rs"));
    }
}

/// The upstream's schema.
pub mod warp {
    /// The multi-agent protocol.
    pub mod multi_agent {
        /// Version 1.
        #[allow(unused_qualifications, missing_docs, clippy::all, reason = "generated")]
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/upstream/warp.multi_agent.v1.rs"));
        }
    }
}
