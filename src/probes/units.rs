//! What does systemd say of these units, and is that what a gate wants?

use std::collections::BTreeMap;

use crate::model::gate::UnitState;
use crate::model::shape::ShapeFacts;
use crate::model::{Command, Host, Output, RuntimeKind, UnitFacts};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "units";
const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,ActiveEnterTimestampMonotonic,MainPID,NRestarts";

/// Everything a plan may start or stop on this host: the kubelet's unit and those of all runtimes, and the unit of k3s or RKE2.
pub fn of_interest(host: &Host, shape: &ShapeFacts) -> Vec<String> {
    let runtimes = [RuntimeKind::Docker, RuntimeKind::Containerd, RuntimeKind::CriO];
    let units = runtimes.iter().flat_map(|r| r.units());
    let units = units.copied().chain(shape.unit(host.role)).map(str::to_owned);
    std::iter::once(host.kubelet_service()).chain(units).collect()
}

/// `systemctl show` of the units, in this order.
pub fn command(units: &[String]) -> Command {
    Command::root(
        ["systemctl", "show", PROPERTIES]
            .into_iter()
            .chain(units.iter().map(String::as_str)),
    )
}

/// By the names that were asked for: an alias (`docker` → `moby-engine`) answers with another `Id`.
///
/// # Errors
/// systemctl failed, or answered for another number of units.
pub fn parse(units: &[String], output: &Output) -> Result<BTreeMap<String, UnitFacts>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let blocks: Vec<UnitFacts> = text.split("\n\n").filter(|b| !b.trim().is_empty()).map(block).collect();
    if blocks.len() != units.len() {
        let reason = format!("{} units were asked for, {} came back", units.len(), blocks.len());
        return Err(ProbeError::format(WHAT, reason));
    }
    Ok(units.iter().cloned().zip(blocks).collect())
}

fn block(text: &str) -> UnitFacts {
    let mut unit = UnitFacts::default();
    for (key, value) in text.lines().filter_map(|l| l.trim().split_once('=')) {
        match key {
            "LoadState" => value.clone_into(&mut unit.load),
            "ActiveState" => value.clone_into(&mut unit.active),
            "SubState" => value.clone_into(&mut unit.sub),
            "ActiveEnterTimestampMonotonic" => unit.active_since_us = value.parse().unwrap_or(0),
            "MainPID" => unit.main_pid = value.parse().unwrap_or(0),
            "NRestarts" => unit.restarts = value.parse().ok(),
            _ => {}
        }
    }
    unit
}

/// Whether the unit has the state. `Active` needs another start than the one of `before`: a unit that was never
/// stopped proves nothing. (Another, not a later one: after a reboot the monotonic clock begins anew.)
pub fn judge(name: &str, wanted: UnitState, before: Option<&UnitFacts>, now: &UnitFacts) -> Verdict {
    match wanted {
        UnitState::Inactive => inactive(name, now),
        UnitState::Active => active(name, before, now),
    }
}

fn inactive(name: &str, now: &UnitFacts) -> Verdict {
    match now.active.as_str() {
        "inactive" | "failed" => Verdict::pass(format!("{name} is {}", now.active)),
        _ => Verdict::wait(format!("{name} is {}", describe(now))),
    }
}

fn active(name: &str, before: Option<&UnitFacts>, now: &UnitFacts) -> Verdict {
    if !now.exists() || now.load == "masked" {
        let remedy =
            format!("See `systemctl status {name}`; the unit's name is set with `kubelet-unit:` in the inventory.");
        return Verdict::fail(format!("{name} is {}", now.load), remedy);
    }
    if !now.is_active() {
        return Verdict::wait(format!("{name} is {}", describe(now)));
    }
    let same = before.is_some_and(|b| b.is_active() && b.active_since_us == now.active_since_us);
    if same {
        return Verdict::wait(format!(
            "{name} is active, but it is still the start from before the step"
        ));
    }
    Verdict::pass(format!("{name} is active since a new start"))
}

fn describe(unit: &UnitFacts) -> String {
    let restarts = unit.restarts.filter(|n| *n > 0).map(|n| format!(", {n} restarts"));
    format!("{} ({}{})", unit.active, unit.sub, restarts.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "Id=kubelet.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
        ActiveEnterTimestampMonotonic=81234567\nMainPID=0\nNRestarts=17\n\n\
        Id=docker.socket\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nActiveEnterTimestampMonotonic=0\n";

    fn names() -> Vec<String> {
        vec!["kubelet.service".to_owned(), "docker.socket".to_owned()]
    }

    #[test]
    fn reads_blocks_in_order_with_properties_left_out() {
        let units = parse(&names(), &Output::new(0, TWO, "")).unwrap();
        assert_eq!(units["kubelet.service"].restarts, Some(17));
        assert!(!units["docker.socket"].exists());
        assert!(parse(&names()[..1], &Output::new(0, TWO, "")).is_err());
    }

    #[test]
    fn active_means_a_new_start() {
        let unit = |active: &str, since| UnitFacts {
            load: "loaded".to_owned(),
            active: active.to_owned(),
            active_since_us: since,
            ..UnitFacts::default()
        };
        let old = unit("active", 10);
        let table = [
            (Some(&old), unit("active", 10), false),
            (Some(&old), unit("active", 20), true),
            (Some(&old), unit("active", 5), true),
            (None, unit("active", 10), true),
            (Some(&old), unit("activating", 10), false),
        ];
        for (before, now, passes) in table {
            let verdict = judge("kubelet", UnitState::Active, before, &now);
            assert_eq!(verdict.passed(), passes, "{verdict:?}");
        }
        assert!(judge("kubelet", UnitState::Inactive, None, &unit("failed", 1)).passed());
        assert!(!judge("kubelet", UnitState::Inactive, None, &unit("activating", 1)).passed());
        let masked = UnitFacts {
            load: "masked".to_owned(),
            ..UnitFacts::default()
        };
        assert!(matches!(
            judge("kubelet", UnitState::Active, None, &masked),
            Verdict::Fail { .. }
        ));
    }
}
