//! Rules about what was found on the hosts.

use crate::model::facts::Clock;
use crate::model::playbook::Operation;
use crate::model::{CertificateFact, Host, HostFacts, Role};
use crate::operations::external_ca;

use super::super::leftovers::is_idle;
use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};

/// Certificates are backdated by 5 minutes and etcd elections suffer much earlier: a minute is a clock that nobody keeps.
const MAX_SKEW_MS: i64 = 60_000;
/// A certificate that nobody here renews, and that ends sooner, is worth a word.
const OWN_SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);
/// A backup is a few hundred kilobytes; less than this is a disk that is about to be full.
const MIN_DISK: u64 = 64 * 1024 * 1024;

/// A master that cannot be reached would keep its old certificates: the cluster could not be proven healthy.
pub(super) fn unreachable(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let silent = input.members().filter_map(|h| {
        input
            .facts
            .get(&h.name)
            .and_then(|f| f.unreachable.as_ref().map(|why| (h, why)))
    });
    silent
        .map(|(host, why)| match intolerant_phase(input, host) {
            Some(told) if host.role == Role::Worker => too_many_note(host, why, &told),
            _ => unreachable_note(host, why),
        })
        .collect()
}

/// Why a run that changes something must not begin without this host, if so: nobody else is there, or the failure budget of
/// one of the host's phases is used up by hosts that do not answer.
fn intolerant_phase(input: &PlanInput<'_>, host: &Host) -> Option<String> {
    if input.playbook.phases.iter().all(|p| p.steps.is_empty()) {
        return None;
    }
    if input.reachable().next().is_none() {
        return Some("no host of this run answers".to_owned());
    }
    over_budget(input, host)
}

/// The first phase of the host whose failure budget is used up by hosts that do not answer, in words.
fn over_budget(input: &PlanInput<'_>, host: &Host) -> Option<String> {
    let phases = input.playbook.phases.iter().filter(|p| p.hosts.matches(host));
    phases
        .map(|p| {
            let members = input.members().filter(|h| p.hosts.matches(h)).count();
            (p, input.missing(p).len(), p.max_failures.of(members), members)
        })
        .find(|(_, missing, budget, _)| missing > budget)
        .map(|(p, missing, budget, members)| {
            format!(
                "phase `{}` may lose {budget} of its {members} hosts, and {missing} do not answer",
                p.name
            )
        })
}

/// Found before the first change: the run would stop half-way otherwise.
fn too_many_note(host: &Host, why: &str, told: &str) -> Note {
    Note::error(
        "worker-unreachable",
        Some(&host.name),
        format!("cannot be reached: {why}; {told}"),
        format!(
            "Bring {0} back, or leave it out knowingly: `--limit '!{0}'`, and afterwards `--limit {0}`.",
            host.name
        ),
    )
}

fn unreachable_note(host: &Host, why: &str) -> Note {
    match host.role {
        Role::ControlPlane | Role::Etcd => Note::error(
            "master-unreachable",
            Some(&host.name),
            format!(
                "cannot be reached: {why}. A plan without one of the {}s cannot be proven",
                host.role
            ),
            format!(
                "Bring {0} back, or take it out of the inventory if it no longer exists (`ssh {1}` must work).",
                host.name, host.address
            ),
        ),
        Role::Worker => Note::warning(
            "worker-unreachable",
            Some(&host.name),
            format!(
                "cannot be reached and is left out: {why}. It counts against the failure budget, and the run ends with exit code 3"
            ),
            format!(
                "Afterwards the same command with `--limit @failed`, or `--limit {}`.",
                host.name
            ),
        ),
    }
}

/// Everything but asking needs root.
pub(super) fn no_root(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let needed = plan.work().next().is_some();
    let without = input
        .reachable()
        .filter(|h| needed && input.facts_of(h).root == Some(false));
    let note = |h: &Host| {
        Note::error(
            "no-root",
            Some(&h.name),
            "the login user cannot become root",
            "Set `become: { password: prompt }`, or allow the user to run commands as root.",
        )
    };
    without.map(note).collect()
}

fn renews(input: &PlanInput<'_>, host: &Host) -> bool {
    let phases = input.playbook.phases.iter().filter(|p| p.hosts.matches(host));
    phases
        .flat_map(|p| &p.steps)
        .any(|op| matches!(op, Operation::RenewCertificates { .. }))
}

fn authorities(facts: &HostFacts) -> impl Iterator<Item = &CertificateFact> {
    facts
        .certificates
        .iter()
        .filter(|c| c.name == "ca" || c.name.ends_with("-ca"))
}

/// kubeadm only warns, and signs certificates that nobody accepts.
pub(super) fn ca_expired(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let mut notes = Vec::new();
    for host in input.reachable().filter(|h| renews(input, h)) {
        for ca in authorities(input.facts_of(host)) {
            let Some(x509) = ca.x509().filter(|x| x.expired(input.now)) else {
                continue;
            };
            notes.push(Note::error(
                "ca-expired",
                Some(&host.name),
                format!("{} ({}) expired on {}: certificates it signs are worthless", ca.name, ca.path, x509.not_after),
                "Replace the CA first (kubernetes.io: manual rotation of CA certificates); renewing leaves cannot help.",
            ));
        }
    }
    notes
}

/// `kubeadm certs renew` prints "Detected external …" and exits 0.
pub(super) fn ca_key_missing(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let external = input
        .reachable()
        .filter(|h| h.role == Role::ControlPlane && renews(input, h))
        .filter(|h| input.facts_of(h).ca_key == Some(false));
    let note = |h: &Host| {
        Note::error(
            "ca-key-missing",
            Some(&h.name),
            format!(
                "{}/ca.key is not on this host (external CA): kubeadm cannot renew here",
                h.kubernetes.cert_dir
            ),
            external_ca::guide(input.facts_of(h).kubeadm_version, &h.kubernetes.cert_dir),
        )
    };
    external.map(note).collect()
}

/// A file that a flag of its component names: whoever made it renews it.
pub(super) fn files_of_its_own(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let hosts = input.reachable().filter(|h| h.role != Role::Worker && renews(input, h));
    let own = hosts.flat_map(|h| input.facts_of(h).certificates.iter().map(move |c| (h, c)));
    own.filter(|(h, c)| c.is_own(&h.kubernetes.cert_dir))
        .filter_map(|(h, c)| own_file(input, h, c))
        .collect()
}

fn own_file(input: &PlanInput<'_>, host: &Host, certificate: &CertificateFact) -> Option<Note> {
    let end = certificate.x509()?.not_after;
    let (name, path, host) = (&certificate.name, &certificate.path, Some(&host.name));
    let over = end < input.now;
    let verb = if over { "expired" } else { "expires" };
    let message = format!(
        "{name} is taken from {path}, as a flag in a manifest says; kubeadm does not renew that file, and it {verb} on {end}"
    );
    let remedy = "Have it issued anew by whoever made it and put it there, then `certfleet restart`; or take the flag out of the manifest.";
    Some(match end.duration_since(input.now) {
        _ if over => Note::error("own-certificate-expired", host, message, remedy),
        left if left < OWN_SOON => Note::warning("own-certificate", host, message, remedy),
        _ => Note::info("own-certificate", host, message),
    })
}

/// Clocks that disagree make fresh certificates "not yet valid".
pub(super) fn clock_skew(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let clocks: Vec<(&Host, Clock)> = input
        .reachable()
        .filter_map(|h| input.facts_of(h).clock.map(|c| (h, c)))
        .collect();
    let mut notes: Vec<Note> = clocks
        .iter()
        .filter(|(_, c)| c.offset_ms.abs() - c.uncertainty_ms > MAX_SKEW_MS)
        .map(|(h, c)| skew_note(h, *c))
        .collect();
    if notes.is_empty()
        && let Some((low, high)) = extremes(&clocks)
        && high.1.offset_ms - low.1.offset_ms - high.1.uncertainty_ms - low.1.uncertainty_ms > MAX_SKEW_MS
    {
        notes.push(skew_note(high.0, high.1));
    }
    notes
}

/// A host and how far its clock is off.
type Read<'a> = (&'a Host, Clock);

fn extremes<'a>(clocks: &[Read<'a>]) -> Option<(Read<'a>, Read<'a>)> {
    let low = clocks.iter().min_by_key(|(_, c)| c.offset_ms)?;
    let high = clocks.iter().max_by_key(|(_, c)| c.offset_ms)?;
    Some((*low, *high))
}

fn skew_note(host: &Host, clock: Clock) -> Note {
    let side = if clock.offset_ms < 0 { "behind" } else { "ahead" };
    let seconds = clock.offset_ms.abs() / 1000;
    Note::error(
        "clock-skew",
        Some(&host.name),
        format!(
            "the clock is {seconds} s {side} (known to within {} ms); more than 60 s breaks fresh certificates",
            clock.uncertainty_ms
        ),
        "Set the clock first (`chronyc makestep`, or `date -s`), then start again.",
    )
}

/// A full disk would be found in the middle of a backup.
pub(super) fn disk_space(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let busy = |h: &&Host| plan.work().any(|s| s.host == h.name && !is_idle(s));
    let full = input.reachable().filter(busy).filter_map(|h| {
        input
            .facts_of(h)
            .disk_free
            .filter(|free| *free < MIN_DISK)
            .map(|free| (h, free))
    });
    let note = |(h, free): (&Host, u64)| {
        Note::error(
            "disk-full",
            Some(&h.name),
            format!("only {} MB are free below /var/lib", free / (1024 * 1024)),
            "Free at least 64 MB (old images, journals) and start again.",
        )
    };
    full.map(note).collect()
}

/// Questions without an answer are shown, so that silence is not taken for health.
pub(super) fn problems(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let each = input
        .reachable()
        .flat_map(|h| input.facts_of(h).problems.iter().map(move |p| (h, p)));
    each.map(|(h, p)| Note::warning("fact-unknown", Some(&h.name), p.clone(), ""))
        .collect()
}
