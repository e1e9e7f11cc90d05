//! Verbs that make a run, go on with it, or tell of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Output, RunOptions};

#[derive(Debug, Clone, Args)]
pub struct RenewArgs {
    /// Another playbook: a built-in name or a file; no order is chosen then
    #[arg(short, long, value_name = "PLAYBOOK", conflicts_with = "strategy")]
    pub playbook: Option<String>,
    /// In which order masters are renewed and restarted
    #[arg(long, value_enum, default_value_t = StrategyChoice::Auto, value_name = "ORDER")]
    pub strategy: StrategyChoice,
    /// Renew also certificates that are fresh already
    #[arg(long)]
    pub force: bool,
    /// Drain each worker before something is stopped on it, where the API answers, and uncordon it once it is proven
    #[arg(long)]
    pub drain: bool,
    #[command(flatten)]
    pub options: RunOptions,
}

/// `--strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StrategyChoice {
    /// The gentlest order that can work, chosen from what is found on the hosts
    Auto,
    /// Renew all, stop everything, start masters, then workers: an outage, and the way out of an expired cluster
    StopAll,
    /// One master at a time, without an outage: for a healthy cluster with three masters or more
    Rolling,
}

#[derive(Debug, Clone, Args)]
pub struct RestartArgs {
    /// Another playbook: a built-in name or a file
    #[arg(short, long, value_name = "PLAYBOOK")]
    pub playbook: Option<String>,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A built-in name (see `certfleet playbooks`) or a file
    pub playbook: String,
    /// Renew also certificates that are fresh already
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// The file that `--dry-run --out` wrote
    pub plan: PathBuf,
    /// The inventory file
    #[arg(short, long, env = "CERTFLEET_INVENTORY", value_name = "FILE")]
    pub inventory: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run's id, its beginning or its end [default: the latest run]
    pub run: Option<String>,
    /// Another inventory file than the one of the run
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The run whose backup is put back
    pub run: String,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The run's id, its beginning or its end [default: the latest run]
    pub run: Option<String>,
    #[arg(short, long, value_enum, default_value_t = ReportForm::Text, value_name = "FORM")]
    pub output: ReportForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    Text,
    Json,
    Junit,
    Html,
}

#[derive(Debug, Clone, Args)]
pub struct UnlockArgs {
    /// The inventory file
    #[arg(short, long, env = "CERTFLEET_INVENTORY", value_name = "FILE")]
    pub inventory: PathBuf,
    /// Why; kept on every master
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
