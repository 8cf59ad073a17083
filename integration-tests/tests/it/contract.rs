//! The contract, the same wherever a service is: each case runs against the service in this process, behind a unix
//! socket and behind a TCP address, gets what is expected, and gets the very same in all three places.

mod cases;
mod codec;
mod decode_stream;
mod propagation;
mod rig;
mod streams;
mod token_pool;
mod warp_chat;
