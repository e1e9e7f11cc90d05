//! The wire: the only layer that opens a connection.

pub mod error;
pub mod transport;

pub use error::RemoteError;
pub use transport::{Duplex, Line, LineStream, Transport};
