//! The contract describing itself, decoded once for the whole process: it takes megabytes.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The descriptors of every file in `proto/`, options and extensions included.
pub fn pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("the contract's own build made them")
    });
    &POOL
}
