//! Which order can work: one master at a time, or all of them together. Chosen from the facts, with the facts said
//! (docs/adr/0006).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::certificate::RENEWABLE;
use crate::model::{Health, Host, HostFacts, HostName, Inventory, LiveFacts, Role, Selector, duration};

use super::gates::has_etcd;
use super::types::Plan;

/// The order in which masters are renewed and restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Renew all, stop all, start all: an outage, and the only way out of an expired cluster.
    StopAll,
    /// One master at a time; the API answers throughout.
    Rolling,
}

impl Strategy {
    /// The built-in playbook that does it.
    pub fn playbook(self) -> &'static str {
        match self {
            Self::StopAll => "renew",
            Self::Rolling => "rolling",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::StopAll => "stop-all",
            Self::Rolling => "rolling",
        })
    }
}

/// A strategy with the reasons for it, as part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Choice {
    pub strategy: Strategy,
    /// A person asked for it (`--strategy`); otherwise the facts decided.
    pub asked: bool,
    /// What speaks for it, sentence by sentence.
    pub because: Vec<String>,
    /// What forbids `rolling`, sentence by sentence: what would have to be otherwise for the gentler way.
    pub against_rolling: Vec<String>,
    /// How long the API is expected to be away; zero = not at all.
    #[serde(with = "duration")]
    pub outage: Duration,
}

impl Choice {
    /// The plan with this choice in it, and the choice with the plan's outage.
    pub(super) fn told(mut self, plan: &Plan) -> Self {
        self.outage = plan
            .outage
            .as_ref()
            .filter(|o| o.masters > 0)
            .map_or(Duration::ZERO, |o| o.about);
        self
    }
}

/// Chooses from what was found on the hosts of this call; `asked` overrules, and the plan says where that cannot work.
pub fn choose(
    inventory: &Inventory,
    facts: &BTreeMap<HostName, HostFacts>,
    limit: &Selector,
    now: Timestamp,
    asked: Option<Strategy>,
) -> Choice {
    let view = View {
        inventory,
        facts,
        limit,
        now,
    };
    let against = view.against_rolling();
    let fits = if against.is_empty() {
        Strategy::Rolling
    } else {
        Strategy::StopAll
    };
    let strategy = asked.unwrap_or(fits);
    let because = match (asked, strategy) {
        (Some(_), _) => vec![format!("`--strategy {strategy}` was given")],
        (None, Strategy::Rolling) => view.for_rolling(),
        (None, Strategy::StopAll) => against.clone(),
    };
    Choice {
        strategy,
        asked: asked.is_some(),
        because,
        against_rolling: against,
        outage: Duration::ZERO,
    }
}

struct View<'a> {
    inventory: &'a Inventory,
    facts: &'a BTreeMap<HostName, HostFacts>,
    limit: &'a Selector,
    now: Timestamp,
}

/// Who shares a trouble.
type Shared = Vec<(String, Vec<String>)>;

impl<'a> View<'a> {
    /// Masters and etcd hosts of this call, with their facts; where it has workers alone, all that were asked.
    fn core(&self) -> impl Iterator<Item = (&'a Host, &'a HostFacts)> + use<'a> {
        let (facts, limit) = (self.facts, self.limit);
        let all = || self.inventory.hosts.iter().filter(|h| h.role != Role::Worker);
        let workers_alone = !all().any(|h| limit.matches(h));
        let hosts = all().filter(move |h| workers_alone || limit.matches(h));
        hosts.filter_map(move |h| Some((h, facts.get(&h.name)?)))
    }

    /// Everything that is in the way, in the order in which a person would look.
    fn against_rolling(&self) -> Vec<String> {
        let mut found: Vec<String> = self.too_few().into_iter().collect();
        for question in [
            unreachable,
            expired_on_disk,
            not_looked_at,
            expired_in_use,
            api_away,
            etcd_away,
        ] {
            let mut shared: Shared = Vec::new();
            for (host, facts) in self.core() {
                for what in question(host, facts, self.now) {
                    match shared.iter_mut().find(|(w, _)| *w == what) {
                        Some((_, who)) => who.push(host.name.to_string()),
                        None => shared.push((what, vec![host.name.to_string()])),
                    }
                }
            }
            found.extend(
                shared
                    .into_iter()
                    .map(|(what, who)| format!("{}: {what}", who.join(", "))),
            );
        }
        found
    }

    fn too_few(&self) -> Option<String> {
        let masters = self.inventory.with_role(Role::ControlPlane).count();
        if self.etcd_is_foreign() {
            return (masters < 2).then(|| {
                "1 master: nobody answers for it while it restarts (2 are needed beside an etcd of somebody else's)"
                    .to_owned()
            });
        }
        let external = self.inventory.with_role(Role::Etcd).count();
        if external >= 3 && masters < 2 {
            return Some(
                "1 master: nobody answers for it while it restarts (2 are needed beside 3 etcd hosts)".to_owned(),
            );
        }
        let members = if external > 0 { external } else { masters };
        let noun = if external > 0 { "etcd host" } else { "master" };
        (members < 3).then(|| {
            let plural = if members == 1 { "" } else { "s" };
            format!("{members} {noun}{plural}: without one of them etcd has no quorum (3 are needed)")
        })
    }

    /// No member of etcd is among our hosts, and an API server has its etcd elsewhere.
    fn etcd_is_foreign(&self) -> bool {
        self.inventory.with_role(Role::Etcd).next().is_none()
            && self.core().any(|(_, f)| f.shape.etcd_is_elsewhere())
            && !self.core().any(|(h, f)| has_etcd(h, f))
    }

    fn for_rolling(&self) -> Vec<String> {
        let count = self.core().filter(|(h, f)| has_etcd(h, f)).count();
        let mut found = vec![
            "no certificate of the control plane has expired, neither on disk nor in use".to_owned(),
            "the API server of every master is ready".to_owned(),
        ];
        if count > 0 {
            found.push(format!("all {count} etcd members asked are healthy"));
        }
        found
    }
}

fn unreachable(_: &Host, facts: &HostFacts, _: Timestamp) -> Vec<String> {
    let why = facts.unreachable.as_ref();
    why.map(|why| format!("cannot be reached ({why})"))
        .into_iter()
        .collect()
}

/// An expired kubelet is no reason: its containers live on without it, the API among them, and it gets its certificate without the
/// API, one master at a time (seen on kubeadm 1.20 with all kubelets expired: tests/nodes, `kubelets-kubeadm`).
fn expired_on_disk(_: &Host, facts: &HostFacts, now: Timestamp) -> Vec<String> {
    let expired = facts
        .certificates
        .iter()
        .filter(|c| RENEWABLE.contains(&c.name.as_str()) && c.x509().is_some_and(|x| x.expired(now)));
    let names: Vec<&str> = expired.map(|c| c.name.as_str()).collect();
    some_of(&names, "expired on disk").into_iter().collect()
}

fn not_looked_at(_: &Host, facts: &HostFacts, _: Timestamp) -> Vec<String> {
    let blind = facts.unreachable.is_none() && facts.live.is_none();
    blind
        .then(|| "what runs there could not be looked at".to_owned())
        .into_iter()
        .collect()
}

fn expired_in_use(_: &Host, facts: &HostFacts, now: Timestamp) -> Vec<String> {
    let Some(live) = &facts.live else { return Vec::new() };
    let expired = live
        .in_use
        .iter()
        .filter(|c| c.served_until.is_some_and(|end| end < now));
    let names: Vec<&str> = expired.map(|c| c.certificate.as_str()).collect();
    some_of(&names, "served although expired").into_iter().collect()
}

fn api_away(host: &Host, facts: &HostFacts, _: Timestamp) -> Vec<String> {
    let asked = host.role == Role::ControlPlane;
    away(facts, asked, "its API server is not known to be ready", |live| {
        live.api.as_ref()
    })
}

fn etcd_away(host: &Host, facts: &HostFacts, _: Timestamp) -> Vec<String> {
    away(
        facts,
        has_etcd(host, facts),
        "its etcd member is not known to be healthy",
        |live| live.etcd.as_ref(),
    )
}

fn away(facts: &HostFacts, asked: bool, unknown: &str, part: fn(&LiveFacts) -> Option<&Health>) -> Vec<String> {
    let Some(live) = facts.live.as_ref().filter(|_| asked) else {
        return Vec::new();
    };
    match part(live) {
        Some(Health::Well) => Vec::new(),
        Some(Health::Ill(why)) => vec![why.clone()],
        None => vec![unknown.to_owned()],
    }
}

/// `apiserver, etcd-server and 6 more expired on disk`.
fn some_of(names: &[&str], what: &str) -> Option<String> {
    match names {
        [] => None,
        [a, b, c, rest @ ..] if !rest.is_empty() => Some(format!("{a}, {b}, {c} and {} more {what}", rest.len())),
        few => Some(format!("{} {what}", few.join(", "))),
    }
}
