//! The answer in plain words, most urgent first, each with its cure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::HostName;
use crate::probes::served::Server;

use super::View;
use super::cure::{Cure, Cures};
use super::grouping::{Group, group};
use super::inspection::FleetInspection;
use super::level::{Level, Thresholds};
use super::row::Row;
use super::surroundings;
use super::symptoms::{Kind, of_row};
use super::wording::{ago, ahead, days, list};

/// One trouble of one or several hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Diagnosis {
    /// [`Level::Ok`]: worth knowing, nothing to do now.
    pub level: Level,
    pub hosts: Vec<HostName>,
    pub sentence: String,
    pub cure: Cure,
}

/// What is wrong and what to do, most urgent first. `inventory` is the file to name in commands.
pub fn diagnose(fleet: &FleetInspection, rows: &[Row], inventory: &str) -> Vec<Diagnosis> {
    let view = View::new(fleet, Thresholds::default());
    let cures = Cures::new(inventory);
    let mut symptoms: Vec<_> = rows.iter().filter_map(|row| of_row(&view, &cures, row)).collect();
    symptoms.extend(
        fleet
            .hosts
            .iter()
            .flat_map(|host| surroundings::of_host(&view, &cures, host)),
    );
    symptoms.extend(surroundings::requests(&view));
    symptoms.extend(surroundings::marked(&view, &cures));
    symptoms.extend(surroundings::typha(&view));
    let mut groups = group(symptoms);
    groups.sort_by_key(rank);
    groups.iter().map(|g| spoken(g, fleet.at)).collect()
}

/// Critical before warning before unknown before notes; then by kind; then more hosts first.
fn rank(group: &Group) -> (std::cmp::Reverse<u8>, Kind, u8, std::cmp::Reverse<usize>) {
    let level = match group.level {
        Level::Critical => 3,
        Level::Warning => 2,
        Level::Unknown => 1,
        Level::Ok => 0,
    };
    // Of several servers the API server is what everybody else waits for.
    let after_api = u8::from(!group.subjects.iter().any(|s| s == "kube-apiserver"));
    (
        std::cmp::Reverse(level),
        group.kind,
        after_api,
        std::cmp::Reverse(group.hosts.len()),
    )
}

fn spoken(group: &Group, now: Timestamp) -> Diagnosis {
    Diagnosis {
        level: group.level,
        hosts: group.hosts.clone(),
        sentence: sentence(group, now),
        cure: group.cure.clone(),
    }
}

/// One renderer per kind of trouble.
fn sentence(group: &Group, now: Timestamp) -> String {
    let (who, hosts) = (list(&group.subjects), group.folded());
    let plural = group.subjects.len() > 1;
    let verb = |one: &'static str, many: &'static str| if plural { many } else { one };
    match group.kind {
        Kind::AuthorityExpired => format!(
            "{who} on {hosts} expired {}: every certificate it signed is worthless",
            ago(now, &group.when)
        ),
        Kind::Parked => format!(
            "a run that was cut short left manifests of {hosts} in {}: those pods do not start",
            group.detail
        ),
        Kind::ClockWrong => format!("the clock of {hosts} is {}", group.detail),
        Kind::ServesExpired => serves_expired(group, now),
        Kind::Mismatch => trouble(group, "does not belong there"),
        Kind::Missing => trouble(group, "is missing"),
        Kind::Expired => format!("{who} on {hosts} expired {}", ago(now, &group.when)),
        Kind::NotYetValid => format!(
            "{who} on {hosts} {} valid only {}: the clock is behind",
            verb("is", "are"),
            ahead(now, &group.when)
        ),
        Kind::KubeletClientExpired => {
            format!(
                "the kubelet's own client certificate on {hosts} expired {}: a kubelet that stops now does not start again",
                ago(now, &group.when)
            )
        }
        Kind::Typha => format!(
            "{who} of calico {}: calico-node and typha do not trust each other without it",
            end(group, now)
        ),
        Kind::TokenExpired => format!(
            "{who} on {hosts} expired {}: no pod can be created or deleted there",
            ago(now, &group.when)
        ),
        Kind::ExpiringCritical | Kind::Expiring => format!("{who} on {hosts} {}", to_come(group, now)),
        Kind::NotInUse => not_in_use(group),
        Kind::AuthorityEndsFirst => format!(
            "{who} on {hosts} expires {}, before certificates that it signed",
            ahead(now, &group.when)
        ),
        Kind::Copy => format!("{who} on {hosts}: {}", group.detail),
        Kind::KubeletServing => kubelet_serving(group, now),
        Kind::Down => format!("{who} on {hosts}: nothing listens there"),
        Kind::Journal => format!(
            "the kubelet on {hosts} complained in the last 10 minutes: {}",
            group.detail
        ),
        Kind::Requests => format!("the kubelet on {hosts} waits for the approval of its serving certificate"),
        Kind::Cordoned => format!("run {} has left {hosts} cordoned", group.detail),
        Kind::Marked => format!(
            "the mark of run {} is still on {hosts}, open since: the next cordon of a person would look like certfleet's",
            group.detail
        ),
        Kind::RotationOff => format!("the kubelet on {hosts} does not rotate its client certificate"),
        Kind::NoAuthorityKey => {
            format!("the key of {who} is not on {hosts} (external CA): certfleet cannot renew what it signed")
        }
        Kind::Unseen => trouble(group, "could not be seen"),
        Kind::Unreachable => format!("{hosts} could not be asked: {}", group.detail),
    }
}

/// `expired 2 h ago`, or what is to come.
fn end(group: &Group, now: Timestamp) -> String {
    if group.when.iter().all(|end| *end < now) {
        format!("expired {}", ago(now, &group.when))
    } else {
        to_come(group, now)
    }
}

fn to_come(group: &Group, now: Timestamp) -> String {
    let verb = if group.subjects.len() > 1 { "expire" } else { "expires" };
    format!("{verb} {}", ahead(now, &group.when))
}

fn trouble(group: &Group, what: &str) -> String {
    let head = format!("{} on {} {what}", list(&group.subjects), group.folded());
    if group.detail.is_empty() {
        head
    } else {
        format!("{head}: {}", group.detail)
    }
}

fn serves_expired(group: &Group, now: Timestamp) -> String {
    let (who, hosts) = (list(&group.subjects), group.folded());
    let ended = group.when.iter().all(|end| *end < now);
    let end = if ended {
        format!("expired {}", ago(now, &group.when))
    } else {
        format!("expires {}", ahead(now, &group.when))
    };
    let verb = if group.subjects.len() > 1 { "serve" } else { "serves" };
    if group.subjects.iter().all(|s| s == Server::Endpoint.process()) {
        return format!("what the kubelet on {hosts} connects to serves a certificate that {end}");
    }
    let renewed = days(&group.renewed).map_or(String::new(), |day| format!("; the file was renewed on {day}"));
    format!("{who} on {hosts} {verb} a certificate that {end}{renewed}; the process is older than the file")
}

fn not_in_use(group: &Group) -> String {
    let (who, hosts) = (list(&group.subjects), group.folded());
    let verb = if group.subjects.len() > 1 { "use" } else { "uses" };
    let renewed = days(&group.renewed).map_or(String::new(), |day| format!(", renewed on {day}"));
    format!(
        "{who} on {hosts} still {verb} an earlier certificate than the file{renewed}; the process is older than the file"
    )
}

fn kubelet_serving(group: &Group, now: Timestamp) -> String {
    let hosts = group.folded();
    let ended = !group.when.is_empty() && group.when.iter().all(|end| *end < now);
    if ended {
        return format!(
            "what the kubelet on {hosts} serves expired {}: logs, exec and metrics may fail",
            ago(now, &group.when)
        );
    }
    format!(
        "the kubelet's serving certificate on {hosts} needs a look (expires {})",
        ahead(now, &group.when)
    )
}
