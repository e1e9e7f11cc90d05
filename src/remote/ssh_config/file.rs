//! The reader: keywords with their arguments, and under which `Host` patterns they stand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::remote::error::RemoteError;
use crate::remote::pattern;

/// One keyword that holds for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    /// Lower case.
    pub keyword: String,
    pub arguments: Vec<String>,
}

/// What the files say of one host, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub directives: Vec<Directive>,
    /// `file:line` and keyword of the first thing that only OpenSSH itself can evaluate.
    pub beyond_us: Option<(String, String)>,
}

/// Where `Include` and `~` start from.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub home: PathBuf,
    /// Folder of relative includes: `~/.ssh` or `/etc/ssh`.
    pub includes: PathBuf,
}

/// OpenSSH's own limit on includes within includes.
const MAX_DEPTH: usize = 16;

/// Reads a file for one host. A missing file has no lines.
pub(super) fn read(path: &Path, host: &str, places: &Places, found: &mut Found) -> Result<(), RemoteError> {
    read_active(path, host, places, found, true, 0)
}

fn read_active(
    path: &Path,
    host: &str,
    places: &Places,
    found: &mut Found,
    outer: bool,
    depth: usize,
) -> Result<(), RemoteError> {
    if depth > MAX_DEPTH {
        return Err(problem(path, 0, "too many nested `Include`s"));
    }
    let Ok(text) = fs::read(path) else { return Ok(()) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut active = outer;
    for (index, line) in text.lines().enumerate() {
        let Some(directive) = parse(line).map_err(|what| problem(path, index + 1, &what))? else {
            continue;
        };
        match directive.keyword.as_str() {
            "host" => active = outer && pattern::list_matches(directive.arguments.iter().map(String::as_str), host),
            "match" => {
                active = false;
                note_beyond(found, path, index + 1, "Match");
            }
            "include" => {
                for file in included(&directive.arguments, places) {
                    read_active(&file, host, places, found, active, depth + 1)?;
                }
            }
            "canonicalizehostname" if active && directive.arguments.first().is_some_and(|a| a != "no") => {
                note_beyond(found, path, index + 1, "CanonicalizeHostname");
            }
            _ if active => found.directives.push(directive),
            _ => {}
        }
    }
    Ok(())
}

fn note_beyond(found: &mut Found, path: &Path, line: usize, keyword: &str) {
    let place = format!("{}:{line}", path.display());
    found.beyond_us.get_or_insert((place, keyword.to_owned()));
}

fn problem(path: &Path, line: usize, what: &str) -> RemoteError {
    RemoteError::Config {
        what: format!("{}:{line}: {what}", path.display()),
        remedy: "Mend the file (`ssh -G HOST` shows how OpenSSH reads it), or set `ssh: { config: none }`.".to_owned(),
    }
}

/// `keyword arguments`, `keyword=argument`, quotes around arguments; `#` starts a comment line.
fn parse(line: &str) -> Result<Option<Directive>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let keyword = line[..end].to_ascii_lowercase();
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    if keyword == "proxycommand" {
        let arguments = vec![rest.to_owned()];
        return Ok(Some(Directive { keyword, arguments }));
    }
    let arguments = words(rest)?;
    if arguments.is_empty() {
        return Err(format!("`{}` has no argument", &line[..end]));
    }
    Ok(Some(Directive { keyword, arguments }))
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is left open")?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

/// Files of an `Include`, in the order of their names; wildcards in the last part only, as people use them.
fn included(arguments: &[String], places: &Places) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for argument in arguments {
        let path = super::resolve::expand_home(argument, &places.home);
        let path = if path.is_absolute() {
            path
        } else {
            places.includes.join(path)
        };
        files.extend(globbed(&path));
    }
    files
}

fn globbed(path: &Path) -> Vec<PathBuf> {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !name.contains(['*', '?']) {
        return vec![path.to_owned()];
    }
    let Some(folder) = path.parent() else { return Vec::new() };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|e| pattern::matches(&name, &e.file_name().to_string_lossy()))
        .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
        .map(|e| e.path())
        .collect();
    files.sort();
    files
}
