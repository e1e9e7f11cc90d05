//! An operator's own command line, with an optional read-only check.

use std::time::Duration;

use crate::model::{Command, HostFacts, RunAs};

use super::types::{Expect, Planned, Postcondition};

/// `sh -c COMMAND`; `unless` is the postcondition.
pub fn plan(command: &str, unless: Option<&str>, timeout: Duration, as_login_user: bool) -> Planned {
    let run_as = if as_login_user { RunAs::Login } else { RunAs::Root };
    let shell = |line: &str| Command {
        run_as,
        ..Command::root(["sh", "-c", line]).with_timeout(timeout)
    };
    let postcondition = unless.map_or(Postcondition::None, |check| Postcondition::CommandSucceeds {
        command: shell(check),
    });
    Planned::work(
        format!("run `{command}`"),
        vec![shell(command)],
        postcondition,
        Expect::ExitStatus,
    )
}

/// The same, done when the port serves another certificate than the facts know.
pub fn until_served(planned: Planned, port: u16, facts: &HostFacts) -> Planned {
    Planned {
        postcondition: Postcondition::ServedAnew {
            port,
            before: facts.shape.served_on(port).cloned(),
        },
        ..planned
    }
}

/// The same, with nothing to do where the port serves what a gate would ask of it.
pub fn unless_served(planned: Planned, port: u16, facts: &HostFacts) -> Planned {
    Planned {
        postcondition: Postcondition::Served {
            port,
            before: facts.shape.served_on(port).cloned(),
        },
        ..planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unless_is_the_postcondition() {
        let planned = plan("touch /run/x", Some("test -e /run/x"), Duration::from_secs(5), true);
        assert_eq!(planned.commands[0].run_as, RunAs::Login);
        let Postcondition::CommandSucceeds { command } = planned.postcondition else {
            panic!("another postcondition");
        };
        assert_eq!(command.words, ["sh", "-c", "test -e /run/x"]);
        assert_eq!(
            plan("x", None, Duration::from_secs(5), false).postcondition,
            Postcondition::None
        );
    }
}
