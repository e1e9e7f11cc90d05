//! Verbs that need no fleet: the embedded one, and papers for editors and shells.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct LabArgs {
    #[command(subcommand)]
    pub command: LabCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum LabCommand {
    /// Start the fleet in the foreground; prints `ready` when it can be used
    Up(LabUpArgs),
    /// List the scenarios
    Scenarios,
}

#[derive(Debug, Clone, Args)]
pub struct LabShape {
    /// In which state the cluster is (see `certfleet lab scenarios`)
    #[arg(long, default_value = "seed", value_name = "NAME")]
    pub scenario: String,
    /// How many masters
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=99))]
    pub masters: u16,
    /// How many workers
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=2000))]
    pub workers: u16,
    /// How many hosts that run nothing but etcd; 0: each master has its own
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=9))]
    pub etcd: u16,
}

#[derive(Debug, Clone, Args)]
pub struct LabUpArgs {
    #[command(flatten)]
    pub shape: LabShape,
    /// Where inventory.yaml, `id_ed25519`, `known_hosts` and `ssh_config` are written
    #[arg(long, default_value = "lab", value_name = "DIR")]
    pub dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub shape: LabShape,
}

#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Which file
    #[arg(value_enum)]
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    Inventory,
    Playbook,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}
