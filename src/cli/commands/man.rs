//! `certfleet man`: the manual page, one section per command.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::terminal::print;

/// Prints roff; `certfleet man | man -l -` shows it.
pub(crate) fn run() -> Result<Exit, CliError> {
    let mut page = Vec::new();
    let grammar = crate::cli::grammar();
    render(&grammar, &mut page).map_err(CliError::io("cannot render the manual page"))?;
    print(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}

fn render(grammar: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(grammar.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for verb in grammar.get_subcommands().filter(|v| !v.is_hide_set()) {
        page.extend_from_slice(format!(".SH \"CERTFLEET {}\"\n", verb.get_name().to_uppercase()).as_bytes());
        let about = verb.get_long_about().or_else(|| verb.get_about()).map(ToString::to_string).unwrap_or_default();
        page.extend_from_slice(format!("{}\n", about.replace('\\', "\\\\")).as_bytes());
        clap_mangen::Man::new(verb.clone()).render_options_section(page)?;
    }
    page.extend_from_slice(b".SH \"EXIT STATUS\"\n0 done or nothing to do; 1 bug; 2 usage or configuration; 3 a step failed; 4 a gate failed; 5 a host unreachable and nothing changed; 6 aborted; 7 another run holds the lock; 8 stuck. check: 0 ok, 1 warning, 2 critical, 3 unknown.\n");
    Ok(())
}
