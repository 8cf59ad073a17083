//! The program as a person or a process manager meets it: run for real, with ports of the system's choice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod banner;
mod collector;
mod dashboard;
mod doctor;
mod embedded;
#[cfg(unix)]
mod export;
mod export_settings;
mod keys;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod lines;
mod metrics;
#[cfg(unix)]
mod notes;
mod numbers;
mod operate;
mod parts;
#[cfg(unix)]
mod planted;
mod pool_client;
mod ports;
#[path = "../../../token-pool/tests/it/postgres.rs"]
mod postgres;
mod program;
#[path = "../../../token-pool/tests/it/proxy.rs"]
mod proxy;
mod ready;
mod reload;
mod repair;
mod replicas;
#[cfg(unix)]
mod sampling;
mod scrape;
mod settings;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod stop;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod survival;
mod tls;
mod tokens;
mod tokens_of_parts;
mod tools;
#[cfg(unix)]
mod trace_tables;
#[cfg(unix)]
mod traces;
