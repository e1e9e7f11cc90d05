//! The transport over russh: one connection per host for the whole run.

mod algorithms;
mod capture;
mod connect;
mod connection;
mod dial;
mod drain;
mod exec;
mod fleet;
mod follow;
mod handler;
mod jump;
mod overhear;
mod proxy_command;
mod retry;
mod slot;
mod target;
mod tcp;
#[cfg(test)]
mod tests;

pub use fleet::{FleetOptions, SshFleet};
pub use target::Target;
