//! One verb, one file.

mod again;
mod check;
mod completions;
mod demo;
mod exec;
mod inventory;
mod journal;
mod journal_fleet;
mod lab;
mod man;
mod playbooks;
mod launch;
mod recorded;
mod resume;
mod apply;
mod rollback;
mod run;
mod unlock;
mod way;
mod schema;

use super::args::{Cli, Commands, LabCommand};
use super::error::CliError;
use super::exit::Exit;
use super::failed;
use super::terminal::Terminal;
use way::{Tuning, Way};

/// Runs the verb.
pub(crate) async fn dispatch(mut cli: Cli, terminal: Terminal) -> Result<Exit, CliError> {
    let global = &cli.global;
    failed::resolve(&mut cli.command, global)?;
    let asked_with = again::words(&cli.command);
    match cli.command {
        Commands::Renew(args) => {
            let way = Way::of_renewal(&args)?;
            let tuning = Tuning {
                drain: args.drain,
                asked_with,
                ..Tuning::of(&args.options, args.force)
            };
            run::run(&way, &tuning, &args.options, global, terminal).await
        }
        Commands::Restart(args) => {
            let way = Way::named(args.playbook.as_deref().unwrap_or("restart"))?;
            let tuning = Tuning {
                asked_with,
                ..Tuning::of(&args.options, false)
            };
            run::run(&way, &tuning, &args.options, global, terminal).await
        }
        Commands::Apply(args) => apply::run(&args, global, terminal).await,
        Commands::Resume(args) => resume::run(&args, global, terminal).await,
        Commands::Rollback(args) => rollback::run(&args, global, terminal).await,
        Commands::Runs(args) => recorded::runs(&args, global, terminal),
        Commands::Report(args) => recorded::report(&args, global, terminal),
        Commands::Unlock(args) => unlock::run(&args, terminal).await,
        Commands::Run(args) => {
            let way = Way::named(&args.playbook)?;
            let tuning = Tuning {
                asked_with,
                ..Tuning::of(&args.options, args.force)
            };
            run::run(&way, &tuning, &args.options, global, terminal).await
        }
        Commands::Check(args) => check::run(&args, terminal).await,
        Commands::Inventory(args) => inventory::run(&args, terminal),
        Commands::Playbooks(args) => playbooks::run(&args),
        Commands::Journal(args) => journal::run(&args, terminal).await,
        Commands::Exec(args) => exec::run(&args, terminal).await,
        Commands::Lab(args) => match args.command {
            LabCommand::Up(up) => lab::up(&up).await,
            LabCommand::Scenarios => Ok(lab::scenarios()),
        },
        Commands::Demo(args) => demo::run(&args, global, terminal).await,
        Commands::Schema(args) => Ok(schema::run(args.of)),
        Commands::Completions(args) => Ok(completions::run(args.shell)),
        Commands::Man => man::run(),
    }
}
