//! `systemctl`: show, is-active, status, start, stop, restart.

use crate::lab::context::Context;
use crate::lab::node::Node;
use crate::lab::units::unit_file;
use crate::lab::units::{Unit, UnitState};
use crate::model::ExitStatus;

use super::{operands, option};

const FINE: ExitStatus = ExitStatus::Code(0);

/// Runs systemctl.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let words = operands(arguments, &["-p", "--property", "-n", "--lines"]);
    let Some((verb, units)) = words.split_first() else {
        return context.fail(
            1,
            "systemctl: a command is needed here; the lab knows show, status, is-active, start, stop and restart",
        );
    };
    let units: Vec<String> = units.iter().map(|u| unit_file(u)).collect();
    let waits = !arguments.iter().any(|a| a == "--no-block");
    match *verb {
        "show" => show(context, arguments, &units),
        "is-active" => is_word(context, &units, Unit::active_word, |w| w == "active"),
        "is-enabled" => is_word(context, &units, |_| "enabled", |_| true),
        "is-failed" => is_word(context, &units, Unit::active_word, |w| w == "failed"),
        "status" => status(context, &units),
        "start" if waits => start(context, &units).await,
        "start" => queue(context, "start", &units).await,
        "stop" => stop(context, &units).await,
        "restart" if waits => restart(context, &units).await,
        "restart" => queue(context, "restart", &units).await,
        "daemon-reload" | "reset-failed" => FINE,
        other => context.fail(1, format!("Unknown operation '{other}'.")),
    }
}

fn show(context: &mut Context, arguments: &[String], units: &[String]) -> ExitStatus {
    let wanted = option(arguments, &["-p", "--property"]).unwrap_or_default();
    let blocks: Vec<String> = context.node(|n| units.iter().map(|unit| block(n, unit, wanted)).collect());
    context.out(blocks.join("\n"));
    FINE
}

/// Properties in systemd's own order, not the asked one.
fn block(node: &Node, name: &str, wanted: &str) -> String {
    let unit = node.unit(name);
    let since = unit.and_then(|u| u.active_since).map_or(0, |at| node.monotonic_us(at));
    let properties = [
        ("MainPID", unit.map_or(0, |u| u.pid).to_string()),
        ("NRestarts", unit.map_or(0, |u| u.restarts).to_string()),
        ("Id", name.to_owned()),
        (
            "LoadState",
            if unit.is_some() { "loaded" } else { "not-found" }.to_owned(),
        ),
        ("ActiveState", unit.map_or("inactive", Unit::active_word).to_owned()),
        ("SubState", unit.map_or("dead", Unit::sub_word).to_owned()),
        ("ActiveEnterTimestampMonotonic", since.to_string()),
    ];
    let socket = name.ends_with(".socket");
    let asked = |key: &str| wanted.is_empty() || wanted.split(',').any(|w| w == key);
    let there = |key: &str| !(socket && matches!(key, "MainPID" | "NRestarts"));
    let rows = properties.iter().filter(|(key, _)| asked(key) && there(key));
    rows.map(|(key, value)| [key, "=", value, "\n"].concat()).collect()
}

fn is_word(
    context: &mut Context,
    units: &[String],
    word: impl Fn(&Unit) -> &'static str,
    good: impl Fn(&str) -> bool,
) -> ExitStatus {
    let words: Vec<&str> = context.node(|n| units.iter().map(|u| n.unit(u).map_or("inactive", &word)).collect());
    context.out(format!("{}\n", words.join("\n")));
    if words.iter().any(|w| good(w)) {
        FINE
    } else {
        ExitStatus::Code(3)
    }
}

fn status(context: &mut Context, units: &[String]) -> ExitStatus {
    let mut code = FINE;
    for name in units {
        let text = context.change(|n, moment| {
            let unit = n.unit(name)?;
            let since = moment
                .clock
                .wall(unit.changed + n.offset)
                .strftime("%a %Y-%m-%d %H:%M:%S UTC");
            let mark = if unit.is_active() { "●" } else { "○" };
            let pid = if unit.pid > 0 {
                format!(" Main PID: {} ({})\n", unit.pid, name.trim_end_matches(".service"))
            } else {
                String::new()
            };
            let head = format!(
                "{mark} {name} - {}\n   Loaded: loaded (/lib/systemd/system/{name}; enabled; vendor preset: enabled)\n",
                unit.description
            );
            let text = format!(
                "{head}   Active: {} ({}) since {since}\n{pid}",
                unit.active_word(),
                unit.sub_word()
            );
            Some((text, unit.is_active()))
        });
        match text {
            Some((text, active)) => {
                context.out(text);
                code = if active { code } else { ExitStatus::Code(3) };
            }
            None => code = context.fail(4, format!("Unit {name} could not be found.")),
        }
    }
    code
}

/// Everything that changes units wants root, and units that exist.
fn refuse(context: &mut Context, verb: &str, units: &[String]) -> Option<ExitStatus> {
    let unknown = context.node(|n| units.iter().find(|u| n.unit(u).is_none()).cloned());
    if !context.root {
        let first = units.first().cloned().unwrap_or_default();
        return Some(context.fail(1, format!("Failed to {verb} {first}: Interactive authentication required.\nSee system logs and 'systemctl status {first}' for details.")));
    }
    let unit = unknown?;
    Some(match verb {
        "stop" => context.fail(5, format!("Failed to stop {unit}: Unit {unit} not loaded.")),
        _ => context.fail(5, format!("Failed to {verb} {unit}: Unit {unit} not found.")),
    })
}

async fn start(context: &mut Context, units: &[String]) -> ExitStatus {
    if let Some(refused) = refuse(context, "start", units) {
        return refused;
    }
    context.record(format!("systemctl start {}", bare(units)));
    start_jobs(context, units).await
}

async fn start_jobs(context: &mut Context, units: &[String]) -> ExitStatus {
    context.change(|n, moment| units.iter().for_each(|u| n.start_unit(moment, u)));
    settle(context, units).await;
    let failed = context.node(|n| {
        units
            .iter()
            .find(|u| n.unit(u).is_some_and(|u| u.state == UnitState::Failed))
            .cloned()
    });
    match failed {
        None => FINE,
        Some(unit) => context.fail(
            1,
            format!("Job for {unit} failed because the control process exited with error code.\nSee \"systemctl status {unit}\" and \"journalctl -xe\" for details."),
        ),
    }
}

async fn stop(context: &mut Context, units: &[String]) -> ExitStatus {
    if let Some(refused) = refuse(context, "stop", units) {
        return refused;
    }
    context.record(format!("systemctl stop {}", bare(units)));
    context.change(|n, moment| units.iter().for_each(|u| n.stop_unit(moment, u)));
    settle(context, units).await;
    warn_of_socket(context, units);
    FINE
}

/// systemd tells that a socket will start the service again; it still stops it.
fn warn_of_socket(context: &mut Context, units: &[String]) {
    let stops_service = units.iter().any(|u| u == "docker.service");
    let socket_listens = context.node(|n| n.active("docker.socket"));
    if stops_service && socket_listens {
        context.err("Warning: Stopping docker.service, but it can still be activated by:\n  docker.socket\n");
    }
}

async fn restart(context: &mut Context, units: &[String]) -> ExitStatus {
    if let Some(refused) = refuse(context, "restart", units) {
        return refused;
    }
    context.record(format!("systemctl restart {}", bare(units)));
    context.change(|n, moment| units.iter().for_each(|u| n.stop_unit(moment, u)));
    settle(context, units).await;
    start_jobs(context, units).await
}

/// `--no-block`: the jobs are queued, and nobody waits for what is started.
async fn queue(context: &mut Context, verb: &str, units: &[String]) -> ExitStatus {
    if let Some(refused) = refuse(context, verb, units) {
        return refused;
    }
    context.record(format!("systemctl {verb} {}", bare(units)));
    if verb == "restart" {
        context.change(|n, moment| units.iter().for_each(|u| n.stop_unit(moment, u)));
        settle(context, units).await;
    }
    context.change(|n, moment| units.iter().for_each(|u| n.start_unit(moment, u)));
    FINE
}

fn bare(units: &[String]) -> String {
    let names: Vec<&str> = units.iter().map(|u| u.trim_end_matches(".service")).collect();
    names.join(" ")
}

/// Waits until no unit is on its way.
async fn settle(context: &mut Context, units: &[String]) {
    let moving = |u: &Unit| matches!(u.state, UnitState::Activating { .. } | UnitState::Deactivating { .. });
    loop {
        context.pause(60).await;
        let busy = context.node(|n| units.iter().any(|name| n.unit(name).is_some_and(moving)));
        if !busy {
            return;
        }
    }
}
