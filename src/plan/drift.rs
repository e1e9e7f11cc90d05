//! What is different on the hosts from what a plan was made for. Pure: facts then, facts now, sentences out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Host, HostFacts, HostName, Inventory, Role};

use super::types::Plan;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub host: HostName,
    /// `machine-id`, `serial of apiserver`, `kubelet.service`.
    pub what: String,
    pub then: String,
    pub now: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: was {}, is {}", self.host, self.what, self.then, self.now)
    }
}

/// Everything that must be as it was for a saved plan to be run: the machines, their boot, certificates and units.
pub fn drift(
    plan: &Plan,
    inventory: &Inventory,
    then: &BTreeMap<HostName, HostFacts>,
    now: &BTreeMap<HostName, HostFacts>,
) -> Vec<Drift> {
    let mut found = misfit(plan, inventory, now);
    for planned in &plan.hosts {
        let (Some(before), Some(after)) = (then.get(&planned.name), now.get(&planned.name)) else {
            continue;
        };
        match (&before.unreachable, &after.unreachable) {
            (None, Some(why)) if planned.role == Role::Worker => found.push(Drift {
                host: planned.name.clone(),
                what: "connection".to_owned(),
                then: "reachable".to_owned(),
                now: why.clone(),
            }),
            (_, Some(_)) => {}
            (_, None) => found.extend(of_host(before, after)),
        }
    }
    found
}

/// What a plan can never survive: a host that is gone, another machine under its name. Enough for a run that goes on,
/// whose units and certificates are on their way from one state to the other.
pub fn misfit(plan: &Plan, inventory: &Inventory, now: &BTreeMap<HostName, HostFacts>) -> Vec<Drift> {
    let mut found = Vec::new();
    for planned in &plan.hosts {
        let mut differs = |what: &str, then: &str, now: &str| {
            found.push(Drift {
                host: planned.name.clone(),
                what: what.to_owned(),
                then: then.to_owned(),
                now: now.to_owned(),
            });
        };
        let Some(host) = inventory.host(&planned.name) else {
            differs("inventory", "a host of it", "not in it");
            continue;
        };
        let Host { address, role, .. } = host;
        if *role != planned.role {
            differs("role", &planned.role.to_string(), &role.to_string());
        }
        let facts = now.get(&planned.name);
        let machine = facts.and_then(|f| f.machine_id.as_ref());
        match (&planned.machine_id, machine) {
            (Some(then), Some(now)) if then != now => {
                differs(
                    "machine-id",
                    then,
                    &format!("{now} (another machine answers at {address})"),
                );
            }
            _ => {}
        }
        if planned.machine_id.is_some()
            && planned.role != Role::Worker
            && let Some(why) = facts.and_then(|f| f.unreachable.as_ref())
        {
            differs("connection", "reachable", why);
        }
    }
    found
}

fn of_host(then: &HostFacts, now: &HostFacts) -> Vec<Drift> {
    let mut found = Vec::new();
    let mut compare = |what: String, before: Option<String>, after: Option<String>| {
        if before != after {
            found.push(Drift {
                host: then.host.clone(),
                what,
                then: before.unwrap_or_else(|| "not known".to_owned()),
                now: after.unwrap_or_else(|| "not known".to_owned()),
            });
        }
    };
    compare("boot".to_owned(), then.boot_id.clone(), now.boot_id.clone());
    compare(
        "container runtime".to_owned(),
        then.runtime.map(|r| r.to_string()),
        now.runtime.map(|r| r.to_string()),
    );
    let serial =
        |facts: &HostFacts, name: &str| facts.certificate(name).and_then(|c| c.x509()).map(|x| x.serial.clone());
    for name in names(
        then.certificates
            .iter()
            .chain(&now.certificates)
            .map(|c| c.name.as_str()),
    ) {
        compare(format!("serial of {name}"), serial(then, name), serial(now, name));
    }
    let served = |facts: &HostFacts, port: u16| facts.shape.served_on(port).map(|s| s.sha256.clone());
    let shown = then.shape.served.iter().chain(&now.shape.served).map(|s| s.port);
    for port in shown.collect::<BTreeSet<u16>>() {
        let what = format!("certificate at port {port} (SHA-256)");
        compare(what, served(then, port), served(now, port));
    }
    let state = |facts: &HostFacts, unit: &str| facts.units.get(unit).map(|u| u.active.clone());
    for unit in names(then.units.keys().chain(now.units.keys()).map(String::as_str)) {
        compare(unit.to_owned(), state(then, unit), state(now, unit));
    }
    found
}

/// Each once, in order.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnitFacts;
    use crate::model::shape::ServedFacts;

    fn facts(active: &str, boot: &str) -> HostFacts {
        let mut facts = HostFacts::unknown("m1".into());
        facts.boot_id = Some(boot.to_owned());
        let unit = UnitFacts {
            active: active.to_owned(),
            ..UnitFacts::default()
        };
        facts.units.insert("kubelet.service".to_owned(), unit);
        facts
    }

    #[test]
    fn a_restart_that_brought_k3s_another_certificate_is_told() {
        let serving = |sha256: &str| {
            let mut facts = facts("active", "b1");
            facts.shape.served = vec![ServedFacts {
                port: 10250,
                sha256: sha256.to_owned(),
                not_after: "2021-11-22T00:00:00Z".parse().unwrap(),
            }];
            facts
        };
        assert_eq!(of_host(&serving("aa"), &serving("aa")), []);
        let told = of_host(&serving("aa"), &serving("bb"));
        assert_eq!(told.len(), 1);
        let line = told[0].to_string();
        assert_eq!(line, "m1: certificate at port 10250 (SHA-256): was aa, is bb");
    }

    #[test]
    fn what_changed_is_told_host_by_host_and_the_same_is_silent() {
        let before = facts("active", "b1");
        assert_eq!(of_host(&before, &before), []);
        let told: Vec<String> = of_host(&before, &facts("failed", "b2"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            ["m1: boot: was b1, is b2", "m1: kubelet.service: was active, is failed"]
        );
    }
}
