//! Start or stop a systemd unit, the kubelet's or the container runtime's.

use std::time::Duration;

use crate::model::gate::UnitState;
use crate::model::host_words::unit_name;
use crate::model::playbook::ServiceState;
use crate::model::{Command, Host, HostFacts, RuntimeKind, UnitFacts};

use super::types::{Expect, OperationError, Planned, Postcondition};

/// `systemctl stop docker` waits for every container's grace period; systemd itself gives up after 90 s by default.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Whether the unit has the state already is looked at again when the step runs: facts are older than the phases before.
///
/// # Errors
/// `runtime` on a host whose runtime is not known.
pub fn plan(unit: &str, state: ServiceState, host: &Host, facts: &HostFacts) -> Result<Planned, OperationError> {
    let units = match unit {
        "runtime" => runtime_units(host, facts)?,
        "kubelet" => vec![host.kubelet_service()],
        other => vec![unit_name(other)],
    };
    let title_unit = if unit == "runtime" {
        strip(&units)
    } else {
        unit.to_owned()
    };
    let forecast = forecast(&units, state, facts);
    let planned = match state {
        ServiceState::Started => start(&units, &title_unit),
        ServiceState::Stopped => stop(units, &title_unit),
    };
    Ok(planned.with_forecast(forecast))
}

fn start(units: &[String], name: &str) -> Planned {
    let unit = units.last().cloned().unwrap_or_default();
    let postcondition = Postcondition::UnitState {
        unit,
        state: UnitState::Active,
    };
    let command = systemctl("start", units);
    Planned::work(
        format!("start {name}"),
        vec![command],
        postcondition,
        Expect::ServiceStart,
    )
}

fn stop(units: Vec<String>, name: &str) -> Planned {
    let command = systemctl("stop", &units);
    let postcondition = Postcondition::UnitsStopped { units };
    Planned::work(format!("stop {name}"), vec![command], postcondition, Expect::ExitStatus)
}

fn systemctl(verb: &str, units: &[String]) -> Command {
    let words = ["systemctl", verb].into_iter().chain(units.iter().map(String::as_str));
    Command::root(words).with_timeout(TIMEOUT)
}

/// The runtime: as the inventory says, else as found.
///
/// # Errors
/// Neither says.
pub fn runtime_of(host: &Host, facts: &HostFacts) -> Result<RuntimeKind, OperationError> {
    let known = host.kubernetes.runtime.or(facts.runtime);
    known.ok_or_else(|| OperationError::UnknownRuntime {
        host: host.name.clone(),
    })
}

/// Units of the runtime, without those that systemd is known not to have (`docker.socket` of a hand-made install).
fn runtime_units(host: &Host, facts: &HostFacts) -> Result<Vec<String>, OperationError> {
    let kind = runtime_of(host, facts)?;
    let there = |unit: &&&str| **unit == kind.service() || facts.unit(unit).is_none_or(UnitFacts::exists);
    Ok(kind.units().iter().filter(there).map(|u| (*u).to_owned()).collect())
}

fn forecast(units: &[String], state: ServiceState, facts: &HostFacts) -> Option<String> {
    let all = |wanted: fn(&str) -> bool| units.iter().all(|u| facts.unit(u).is_some_and(|f| wanted(&f.active)));
    match state {
        ServiceState::Started if all(|a| a == "active") => Some("is active now".to_owned()),
        ServiceState::Stopped if all(|a| a == "inactive" || a == "failed") => Some("is stopped now".to_owned()),
        _ => None,
    }
}

fn strip(units: &[String]) -> String {
    let name = units.last().map_or("", String::as_str);
    name.trim_end_matches(".service").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::operations::fixtures;

    fn unit(load: &str, active: &str) -> UnitFacts {
        UnitFacts {
            load: load.to_owned(),
            active: active.to_owned(),
            ..UnitFacts::default()
        }
    }

    #[test]
    fn stopping_docker_stops_its_socket_too_where_there_is_one() {
        let host = fixtures::host("m1", Role::ControlPlane);
        let mut facts = fixtures::facts("m1");
        facts.runtime = Some(RuntimeKind::Docker);
        let planned = plan("runtime", ServiceState::Stopped, &host, &facts).unwrap();
        assert_eq!(
            planned.commands[0].to_string(),
            "systemctl stop docker.socket docker.service"
        );
        facts
            .units
            .insert("docker.socket".to_owned(), unit("not-found", "inactive"));
        facts
            .units
            .insert("docker.service".to_owned(), unit("loaded", "inactive"));
        let planned = plan("runtime", ServiceState::Stopped, &host, &facts).unwrap();
        assert_eq!(planned.commands[0].to_string(), "systemctl stop docker.service");
        assert_eq!(planned.skip, None, "stopped now is a forecast, not a reason to skip");
        assert_eq!(planned.forecast.as_deref(), Some("is stopped now"));
    }

    #[test]
    fn kubelet_means_the_unit_of_the_inventory() {
        let mut host = fixtures::host("w1", Role::Worker);
        host.kubernetes.kubelet_unit = "snap.kubelet.daemon".to_owned();
        let planned = plan("kubelet", ServiceState::Started, &host, &fixtures::facts("w1")).unwrap();
        assert_eq!(
            planned.commands[0].to_string(),
            "systemctl start snap.kubelet.daemon.service"
        );
        assert_eq!(planned.expect, Expect::ServiceStart);
    }

    #[test]
    fn an_unknown_runtime_is_an_error_of_the_plan() {
        let host = fixtures::host("w1", Role::Worker);
        let error = plan("runtime", ServiceState::Stopped, &host, &fixtures::facts("w1")).unwrap_err();
        assert!(error.remedy().contains("runtime:"), "{error}");
    }
}
