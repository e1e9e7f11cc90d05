//! The command line. Help texts are the first documentation a person reads; snapshots hold them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Selector, duration};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

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
