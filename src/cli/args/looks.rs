//! Verbs that look at hosts, or run what they are told; none of them makes a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Output, Target};
use crate::model::{Selector, duration};

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub target: Target,
    /// Warn when a certificate expires within this
    #[arg(long, value_parser = duration::parse, default_value = "30d", value_name = "DURATION")]
    pub warn: Duration,
    /// Critical when a certificate expires within this
    #[arg(long, value_parser = duration::parse, default_value = "7d", value_name = "DURATION")]
    pub critical: Duration,
    /// What a block of the table is about
    #[arg(long, value_enum, default_value_t = CheckBy::Host, value_name = "WHAT")]
    pub by: CheckBy,
    /// Leave out of the table what is in order
    #[arg(long, value_enum, value_name = "WHAT")]
    pub only: Option<CheckOnly>,
    /// Text for people, JSON, metrics for Prometheus (the textfile collector of its node exporter), or one HTML page
    #[arg(short, long, value_enum, default_value_t = CheckOutput::Text, value_name = "FORM")]
    pub output: CheckOutput,
    /// Write to this file instead, all at once: a reader sees the old file or the new one
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Check again and again, this often, until Ctrl-C
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub watch: Option<Duration>,
}

/// `--by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckBy {
    Host,
    Certificate,
}

/// `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckOnly {
    Problems,
}

/// `--output` of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    Text,
    Json,
    Prometheus,
    Html,
}

#[derive(Debug, Clone, Args)]
pub struct InventoryArgs {
    #[command(flatten)]
    pub target: Target,
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
pub struct PlaybooksArgs {
    /// Print this one as YAML
    pub name: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["file", "inventory"]))]
pub struct JournalArgs {
    /// A file of journal lines in any form of `journalctl -o`, or `-` for a pipe
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The fleet's own kubelet journals
    #[arg(short, long, env = "CERTFLEET_INVENTORY", value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Only these hosts
    #[arg(short, long, default_value = "all", value_name = "PATTERN", requires = "inventory")]
    pub limit: Selector,
    /// Go on with new lines until Ctrl-C
    #[arg(long, requires = "inventory")]
    pub follow: bool,
    /// Start here: `10m` ago, or any time that journalctl understands [default: 10m]
    #[arg(long, value_name = "TIME", requires = "inventory")]
    pub since: Option<String>,
    /// Only lines that block, fail or hold a gate, and positive signs
    #[arg(long)]
    pub only_signs: bool,
    /// Text for people, or one JSON object per line
    #[arg(short, long, value_enum, default_value_t = JournalOutput::Text, value_name = "FORM")]
    pub output: JournalOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JournalOutput {
    Text,
    Jsonl,
}

#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    pub target: Target,
    /// Run as root, by the inventory's become settings
    #[arg(short, long)]
    pub root: bool,
    /// How long one host may take
    #[arg(long, value_parser = duration::parse, default_value = "60s", value_name = "DURATION")]
    pub timeout: Duration,
    /// The command, after `--`; several words are joined with blanks, as ssh does
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub words: Vec<String>,
}
