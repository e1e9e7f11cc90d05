//! Which playbook a run follows: the one that was named, or the one that the facts ask for.

use std::time::Duration;

use jiff::Timestamp;

use super::launch::Facts;
use crate::cli::args::{RenewArgs, RunOptions, StrategyChoice};
use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::config::load_playbook;
use crate::model::Playbook;
use crate::plan::{Choice, Plan, PlanInput, Strategy, choose, plan, plan_chosen};

/// A playbook, or a strategy that names one.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Playbook(Playbook),
    /// `None`: the facts decide.
    Strategy(Option<Strategy>),
}

/// What options change in a playbook.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tuning {
    /// At most this quiet period, for every gate.
    pub quiet: Option<Duration>,
    /// At most this pause between two looks.
    pub interval: Option<Duration>,
    /// The patience with pods.
    pub grace: Option<Duration>,
    /// Renew what is fresh.
    pub force: bool,
    /// Drain workers wherever something is stopped on them.
    pub drain: bool,
    /// The words that say all of this again.
    pub asked_with: Option<String>,
}

impl Way {
    /// `certfleet renew`.
    pub(crate) fn of_renewal(args: &RenewArgs) -> Result<Self, CliError> {
        Ok(match (&args.playbook, args.strategy) {
            (Some(name), _) => Self::named(name)?,
            (None, StrategyChoice::Auto) => Self::Strategy(None),
            (None, StrategyChoice::StopAll) => Self::Strategy(Some(Strategy::StopAll)),
            (None, StrategyChoice::Rolling) => Self::Strategy(Some(Strategy::Rolling)),
        })
    }

    /// A built-in playbook or a file.
    pub(crate) fn named(playbook: &str) -> Result<Self, CliError> {
        Ok(Self::Playbook(load_playbook(playbook)?))
    }

    /// The word in the run's id.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Playbook(playbook) => &playbook.name,
            Self::Strategy(_) => "renew",
        }
    }

    /// The plan depends on what runs on the hosts now.
    pub(super) fn asks_what_runs(&self) -> bool {
        match self {
            Self::Playbook(playbook) => playbook.asks_what_runs(),
            Self::Strategy(_) => true,
        }
    }

    /// The plan of this way.
    pub(super) fn plan(&self, session: &Session, facts: &Facts, tuning: &Tuning) -> Result<Plan, CliError> {
        let now = Timestamp::now();
        let tuned = |playbook: Playbook| {
            let playbook = tuning.apply(playbook);
            if tuning.drain {
                playbook.draining(&session.inventory)
            } else {
                playbook
            }
        };
        let input = |playbook| PlanInput {
            inventory: &session.inventory,
            playbook,
            facts,
            limit: &session.limit,
            now,
        };
        let plan = match self {
            Self::Playbook(playbook) => plan(&input(&tuned(playbook.clone()))),
            Self::Strategy(asked) => {
                let choice = choose(&session.inventory, facts, &session.limit, now, *asked);
                let playbook = tuned(playbook_of(&choice)?);
                plan_chosen(&input(&playbook), choice)
            }
        };
        Ok(Plan {
            asked_with: tuning.asked_with.clone(),
            ..plan
        })
    }
}

/// Who asks for `stop-all` gets all of it.
fn playbook_of(choice: &Choice) -> Result<Playbook, CliError> {
    let playbook = load_playbook(choice.strategy.playbook())?;
    Ok(if choice.asked && choice.strategy == Strategy::StopAll {
        playbook.without_exceptions()
    } else {
        playbook
    })
}

impl Tuning {
    /// From the command line.
    pub(crate) fn of(options: &RunOptions, force: bool) -> Self {
        Self {
            quiet: options.quiet,
            interval: None,
            grace: options.grace,
            force,
            drain: false,
            asked_with: None,
        }
    }

    /// The playbook with these settings.
    pub(super) fn apply(&self, mut playbook: Playbook) -> Playbook {
        for gate in playbook.phases.iter_mut().filter_map(|p| p.gate.as_mut()) {
            gate.quiet = self.quiet.map_or(gate.quiet, |quiet| gate.quiet.min(quiet));
            gate.interval = self.interval.map_or(gate.interval, |pause| gate.interval.min(pause));
        }
        if self.force {
            playbook = playbook.forced();
        }
        match self.grace {
            Some(grace) => playbook.with_grace(grace),
            None => playbook,
        }
    }
}
