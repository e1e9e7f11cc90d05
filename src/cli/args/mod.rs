//! The command line. Help texts are the first documentation a person reads; snapshots hold them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Selector, duration};

mod looks;
mod runs;
mod tools;

pub use looks::{
    CheckArgs, CheckBy, CheckOnly, CheckOutput, ExecArgs, InventoryArgs, JournalArgs, JournalOutput, PlaybooksArgs,
};
pub use runs::{
    ApplyArgs, RenewArgs, ReportArgs, ReportForm, RestartArgs, ResumeArgs, RollbackArgs, RunArgs, RunsArgs,
    StrategyChoice, UnlockArgs,
};
pub use tools::{CompletionsArgs, DemoArgs, LabArgs, LabCommand, LabShape, LabUpArgs, SchemaArgs, SchemaOf};

/// Renew the certificates of a kubeadm fleet, restart it in the order that recovers an expired cluster, and prove it.
#[derive(Debug, Parser)]
#[command(name = "certfleet", version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Commands,
}

const EXAMPLES: &str = "Examples:
  certfleet demo                            watch a dead cluster come back (embedded fleet, nothing to set up)
  certfleet check -i prod.yaml              what is on disk, what is in use, what breaks next
  certfleet renew -i prod.yaml --dry-run    every command, host by host, without touching anything
  certfleet renew -i prod.yaml              the same for real, after your yes

Exit codes: 0 done, 2 usage, 3 step failed, 4 gate failed, 5 unreachable, 6 aborted, 7 locked, 8 stuck.";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// When to use colours
    #[arg(long, value_enum, default_value_t = ColourChoice::Auto, global = true, value_name = "WHEN")]
    pub color: ColourChoice,
    /// Say more: each command and its output as it ends; twice also the wire
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Where runs are recorded
    #[arg(
        help = "Where runs are recorded [default: $XDG_STATE_HOME/certfleet]",
        long,
        env = "CERTFLEET_STATE_DIR",
        global = true,
        value_name = "DIR",
        hide_env_values = true
    )]
    pub state_dir: Option<PathBuf>,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal that knows them, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Commands {
    /// Renew every certificate and bring the fleet back: gather, plan, show, ask, execute, report
    Renew(RenewArgs),
    /// The same for certificates that were renewed on disk but are not in use: restart in order
    Restart(RestartArgs),
    /// Run any playbook, built-in or from a file
    Run(RunArgs),
    /// Show which certificates are on disk, which are in use, and what breaks next; changes nothing
    Check(CheckArgs),
    /// Run exactly a plan that was saved with `renew --dry-run --out FILE`; refused when the hosts are no longer as they were
    Apply(ApplyArgs),
    /// Go on with a run that was interrupted or failed: what is done is not done again
    Resume(ResumeArgs),
    /// Put the backup of a run back on its masters and restart in order
    Rollback(RollbackArgs),
    /// List the runs of this machine: outcome, duration, outage
    Runs(RunsArgs),
    /// Tell a run, finished or not, as text, JSON, junit or one HTML file
    Report(ReportArgs),
    /// Free the lock of a run that is dead; its mark stays
    Unlock(UnlockArgs),
    /// Show the resolved inventory: every host with all its settings
    Inventory(InventoryArgs),
    /// List the built-in playbooks, or print one to copy and change
    Playbooks(PlaybooksArgs),
    /// Classify kubelet journal lines, of the fleet or of a file
    Journal(JournalArgs),
    /// Run a command on many hosts; equal output is shown once
    Exec(ExecArgs),
    /// An embedded fleet to try things on
    Lab(LabArgs),
    /// Watch a dead cluster come back: lab, check, renew, check
    Demo(DemoArgs),
    /// Print the JSON Schema of a file, for editors
    Schema(SchemaArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Print the manual page (roff)
    Man,
}

/// Which hosts.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The inventory file
    #[arg(short, long, env = "CERTFLEET_INVENTORY", value_name = "FILE")]
    pub inventory: PathBuf,
    /// Only these hosts: names, globs, masters, workers, etcd; `!x` takes x out; `@failed` (`@failed:RUN`) are those that
    /// the last run left behind
    #[arg(short, long, default_value = "all", value_name = "PATTERN")]
    pub limit: Selector,
}

/// How a run is planned and shown.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub target: Target,
    /// Show the plan and stop: no host is changed
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: keep the plan in this file, for `certfleet apply`
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub out: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Text for people, or JSON (the plan, or one event per line)
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
    /// Replace the quiet period of every gate (for tests and demonstrations)
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", hide_short_help = true)]
    pub quiet: Option<Duration>,
    /// Replace the time that pods get to become ready before they count as stuck [default: the playbook's, 3m]
    #[arg(long, value_parser = duration::parse, value_name = "DURATION", hide_short_help = true)]
    pub grace: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}
