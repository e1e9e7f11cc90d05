//! The playbook as written to the playbook as a plan reads it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::builtin;
use super::drain_file::lower_drain;
use super::error::{ConfigError, ConfigErrors, finish};
use super::located::{DurationText, Sp};
use super::names;
use super::playbook_checks as checks;
use super::playbook_file::{GateFile, PhaseFile, PlaybookFile, ShareText};
use super::playbook_items::{ProbeFile, PruneBackupsFile, RenewFile, RunAsFile, RunFile, StepFile};
use super::settings::Context;
use super::source::Source;
use super::suggest::nearest;
use super::waves::lower_waves;
use super::yaml;
use crate::model::playbook::{CertificateNames, Share};
use crate::model::{Gate, Operation, Phase, Playbook, ProbeSpec, Selector};

const QUIET: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_secs(2);
const GATE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// BIRD reports not ready for two to three minutes while its peers return.
const GRACE: Duration = Duration::from_secs(3 * 60);
const BACKUPS_KEPT: u32 = 5;
const RUN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Reads a playbook: a built-in one by its name, any other by its path.
///
/// # Errors
/// An unknown name, or what is wrong with the file.
pub fn load_playbook(name_or_path: &str) -> Result<Playbook, ConfigErrors> {
    if let Some(text) = builtin::text(name_or_path) {
        return parse_playbook(text, &format!("built-in playbook {name_or_path}"));
    }
    let path = Path::new(name_or_path);
    let is_path = name_or_path.contains(['/', '\\']) || path.extension().is_some() || path.exists();
    if !is_path {
        return Err(unknown_playbook(name_or_path));
    }
    lower(&Source::read(path, "playbook")?)
}

/// As [`load_playbook`], from a text that is already there: pure.
///
/// # Errors
/// The first error of syntax or shape, or else everything that is wrong with the values.
pub fn parse_playbook(text: &str, file_name: &str) -> Result<Playbook, ConfigErrors> {
    lower(&Source::new(file_name, text))
}

fn unknown_playbook(name: &str) -> ConfigErrors {
    let names: Vec<&str> = builtin::builtin_playbooks().iter().map(|(n, _)| *n).collect();
    let list = format!(
        "built in are {}; any other is given by its path, `./{name}.yaml`",
        names.join(", ")
    );
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    };
    let message = format!("there is no playbook `{name}`");
    ConfigErrors::one(ConfigError::whole_file(name, message, Some(hint)))
}

fn lower(source: &Source) -> Result<Playbook, ConfigErrors> {
    let file: PlaybookFile = yaml::parse(source, "playbook")?;
    let mut cx = Context {
        source,
        base_dir: Path::new(""),
        home: None,
        errors: Vec::new(),
    };
    cx.check(file.name.at, names::check_word(&file.name, "playbook"));
    if file.phases.is_empty() {
        cx.complain(file.phases.at, "a playbook without phases", "write at least one phase");
    }
    check_phase_names(&mut cx, &file.phases.value);
    let phases = file.phases.iter().map(|phase| lower_phase(&mut cx, phase)).collect();
    let playbook = Playbook {
        name: file.name.value.clone(),
        description: file.description.trim().to_owned(),
        phases,
    };
    finish(playbook, cx.errors)
}

fn check_phase_names(cx: &mut Context<'_>, phases: &[Sp<PhaseFile>]) {
    let mut seen = HashMap::new();
    for phase in phases {
        let name = &phase.name;
        cx.check(name.at, names::check_word(name, "phase"));
        if let Some(earlier) = seen.insert(name.value.as_str(), name.at) {
            let message = format!("two phases are called `{}`", name.value);
            let hint = "reports tell phases apart by name; give each its own";
            let mut error = cx.source.error(name.at, message).with_hint(hint);
            error.earlier = cx.source.place(earlier);
            cx.errors.push(error);
        }
    }
}

fn lower_phase(cx: &mut Context<'_>, phase: &Sp<PhaseFile>) -> Phase {
    let steps: Vec<Operation> = phase.steps.iter().map(|step| lower_step(cx, step)).collect();
    let gate = phase.gate.as_ref().map(|gate| lower_gate(cx, gate));
    if phase.steps.is_empty() && gate.is_none() {
        let message = format!("phase `{}` has neither steps nor a gate", phase.name.value);
        cx.complain(
            phase.name.at,
            message,
            "add `steps:`, `gate:` or both, or remove the phase",
        );
    }
    checks::hosts_fit(cx, phase);
    let (waves, max_parallel) = phase
        .max_parallel
        .as_ref()
        .map_or((Vec::new(), None), |text| lower_waves(cx, text));
    Phase {
        name: phase.name.value.clone(),
        hosts: lower_hosts(cx, &phase.hosts),
        max_parallel,
        waves,
        only_needed: phase.when.is_some(),
        one_by_one: phase.one_by_one.is_some(),
        max_failures: phase
            .max_failures
            .as_ref()
            .map_or(Share::Count(0), |text| lower_share(cx, text)),
        outage_accepted: phase.outage.is_some(),
        drain: lower_drain(cx, phase),
        steps,
        gate,
    }
}

fn lower_hosts(cx: &mut Context<'_>, text: &Sp<String>) -> Selector {
    let parsed: Result<Selector, String> = text.parse();
    if parsed.as_ref().is_ok_and(Selector::names_a_run) {
        let message = "`@failed` depends on what happened before; a playbook says the same every time";
        cx.complain(text.at, message, "give it on the command line: `--limit @failed`");
    }
    parsed.unwrap_or_else(|why| {
        let (message, hint) = why
            .split_once("; ")
            .unwrap_or((&why, "write for example `hosts: masters`"));
        cx.complain(text.at, message, hint);
        Selector::all()
    })
}

pub(super) fn lower_share(cx: &mut Context<'_>, text: &Sp<ShareText>) -> Share {
    let found = match text.0.strip_suffix('%') {
        Some(percent) => percent.trim().parse().ok().filter(|p| *p <= 100).map(Share::Percent),
        None => text.0.parse().ok().map(Share::Count),
    };
    found.unwrap_or_else(|| {
        let message = format!("`{}` is neither a number of hosts nor a percentage", text.0);
        cx.complain(text.at, message, "write for example `5` or `25%`");
        Share::Count(1)
    })
}

fn lower_step(cx: &mut Context<'_>, step: &Sp<StepFile>) -> Operation {
    match &step.value {
        StepFile::Backup => Operation::Backup,
        StepFile::RecycleStaticPods => Operation::RecycleStaticPods,
        StepFile::ReissueKubeletClient => Operation::ReissueKubeletClient,
        StepFile::ApproveKubeletServing => Operation::ApproveKubeletServing,
        StepFile::RefreshKubeconfigCopies => Operation::RefreshKubeconfigCopies,
        StepFile::RenewCertificates(renew) => Operation::RenewCertificates {
            names: lower_names(cx, renew),
            force: renew.force,
        },
        StepFile::ReissueEtcdCertificates(reissue) => Operation::ReissueEtcdCertificates { force: reissue.force },
        StepFile::Service(service) => {
            cx.check(service.unit.at, names::check_unit(&service.unit));
            Operation::Service {
                unit: service.unit.value.clone(),
                state: service.state,
            }
        }
        StepFile::PruneBackups(prune) => lower_prune(cx, prune),
        StepFile::DeletePods(delete) => Operation::DeletePods {
            grace: optional(cx, delete.grace.as_ref(), GRACE),
        },
        StepFile::Run(run) => lower_run(cx, run),
    }
}

fn lower_prune(cx: &mut Context<'_>, prune: &PruneBackupsFile) -> Operation {
    let keep = prune.keep.as_ref().map_or(BACKUPS_KEPT, |k| k.value);
    if let Some(written) = prune.keep.as_ref().filter(|k| k.value == 0) {
        cx.complain(written.at, "the last backup always stays", "write `keep: 1` or more");
    }
    Operation::PruneBackups { keep: keep.max(1) }
}

fn lower_run(cx: &mut Context<'_>, run: &RunFile) -> Operation {
    for text in [Some(&run.command), run.unless.as_ref()].into_iter().flatten() {
        if text.trim().is_empty() {
            cx.complain(text.at, "an empty command", "write a command line for `sh -c`");
        }
    }
    let timeout = optional(cx, run.timeout.as_ref(), RUN_TIMEOUT);
    if let Some(text) = run.timeout.as_ref().filter(|_| timeout.is_zero()) {
        cx.complain(text.at, "a timeout of zero", "write for example `5m`");
    }
    let hint = "both say when the command is done; keep one";
    if let (Some(port), Some(_)) = (&run.done_when_served, &run.unless) {
        cx.complain(port.at, "`done-when-served` beside `unless`", hint);
    }
    if let (Some(port), true) = (
        &run.unless_served,
        run.unless.is_some() || run.done_when_served.is_some(),
    ) {
        cx.complain(port.at, "`unless-served` beside `unless` or `done-when-served`", hint);
    }
    Operation::Run {
        done_when_served: run.done_when_served.as_ref().map(|p| p.value),
        unless_served: run.unless_served.as_ref().map(|p| p.value),
        command: run.command.value.clone(),
        unless: run.unless.as_ref().map(|u| u.value.clone()),
        timeout,
        as_login_user: run.run_as == Some(RunAsFile::Login),
    }
}

fn lower_names(cx: &mut Context<'_>, renew: &RenewFile) -> CertificateNames {
    let Some(names) = &renew.names else {
        return CertificateNames::All;
    };
    if let [only] = names.0.as_slice()
        && only.value == "all"
    {
        return CertificateNames::All;
    }
    checks::certificate_names(cx, &names.0);
    CertificateNames::Only(names.0.iter().map(|n| n.value.clone()).collect())
}

fn optional(cx: &mut Context<'_>, text: Option<&Sp<DurationText>>, default: Duration) -> Duration {
    text.map_or(default, |text| cx.duration(text, default))
}

fn lower_gate(cx: &mut Context<'_>, file: &Sp<GateFile>) -> Gate {
    let gate = Gate {
        probes: file.probes.iter().map(|probe| lower_probe(cx, probe)).collect(),
        quiet: optional(cx, file.quiet.as_ref(), QUIET),
        interval: optional(cx, file.interval.as_ref(), INTERVAL),
        timeout: optional(cx, file.timeout.as_ref(), GATE_TIMEOUT),
    };
    checks::gate(cx, file, &gate);
    gate
}

fn lower_probe(cx: &mut Context<'_>, probe: &Sp<ProbeFile>) -> ProbeSpec {
    match &probe.value {
        ProbeFile::Unit(unit) => {
            cx.check(unit.name.at, names::check_unit(&unit.name));
            ProbeSpec::Unit {
                name: unit.name.value.clone(),
                state: unit.state,
            }
        }
        ProbeFile::Served(served) => {
            if served.port.value == 0 {
                cx.complain(
                    served.port.at,
                    "port 0 serves nothing",
                    "write for example `served: { port: 6443 }`",
                );
            }
            ProbeSpec::Served {
                port: served.port.value,
            }
        }
        ProbeFile::Plain(word) => plain_probe(word),
    }
}

/// The words of `playbook_items::PROBES` without settings.
fn plain_probe(word: &str) -> ProbeSpec {
    match word {
        "certificates-on-disk" => ProbeSpec::CertificatesOnDisk,
        "certificates-in-use" => ProbeSpec::CertificatesInUse,
        "kubelet-journal" => ProbeSpec::KubeletJournal,
        "api-server" => ProbeSpec::ApiServer,
        "endpoint" => ProbeSpec::Endpoint,
        "etcd" => ProbeSpec::Etcd,
        "nodes" => ProbeSpec::Nodes,
        "pods" => ProbeSpec::Pods,
        "component-health" => ProbeSpec::ComponentHealth,
        _ => ProbeSpec::StaticPods,
    }
}
