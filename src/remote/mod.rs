//! The wire: the only layer that opens a connection.
//!
//! [`Transport`] is what the engine sees; [`SshFleet`] implements it over russh. Everything that decides (known hosts,
//! ssh_config, the sudo dialogue, quoting) is a pure function in a module of its own; `ssh` does the waiting.

pub mod error;
pub mod transport;
pub mod secrets;
pub mod vault;
pub mod pattern;
pub mod known_hosts;
pub mod ssh_config;
pub mod shell;
pub mod elevate;
pub mod auth;
pub mod ssh;
pub mod tls;

pub use error::RemoteError;
pub use secrets::{FixedSecrets, NoSecrets, SecretError, SecretRequest, Secrets};
pub use ssh::{FleetOptions, SshFleet};
pub use tls::{ServedChain, TlsProbeError};
pub use transport::{Duplex, Line, LineStream, Transport};
