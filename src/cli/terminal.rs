use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::Failure;

/// Whether there is somebody to ask.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// A line of the standard input, its ends trimmed.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    prompt(question)?;
    Ok(read_line()?.trim().to_owned())
}

/// A line of the standard input that a terminal does not show.
pub(super) fn ask_secret(question: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let hidden = HiddenInput::start();
    prompt(question)?;
    let secret = read_line();
    drop(hidden);
    let _ = writeln!(io::stderr());
    secret
}

/// A password, typed twice the same.
pub(super) fn ask_new_password(question: &str) -> Result<String, Failure> {
    loop {
        let password = ask_secret(question)?;
        if password.is_empty() {
            continue;
        }
        if !io::stdin().is_terminal() || ask_secret("The same again")? == password {
            return Ok(password);
        }
        let _ = writeln!(io::stderr(), "These differ.");
    }
}

/// Whether the answer is yes.
pub(super) fn ask_whether(question: &str, default: bool) -> Result<bool, Failure> {
    let choices = if default { "Y/n" } else { "y/N" };
    loop {
        match ask(&format!("{question} ({choices})"))?.to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" | "true" => return Ok(true),
            "n" | "no" | "false" => return Ok(false),
            _ => {}
        }
    }
}

/// How this program was called, to be shown in a command.
pub(super) fn this_command() -> String {
    std::env::args_os().next().map_or_else(|| "artemis-rs".into(), |name| quoted(Path::new(&name)))
}

/// A path as a shell reads it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

// Questions go to the standard error: the standard output may be what is wanted, as that of `mask`.
fn prompt(question: &str) -> Result<(), Failure> {
    let mut out = io::stderr();
    write!(out, "{question}: ").and_then(|()| out.flush()).map_err(|error| Failure::new(format!("output: {error}")))
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(Failure::new("the input ended before the answer")),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Failure::new(format!("input: {error}"))),
    }
}

/// The terminal does not show what is typed as long as this lives.
struct HiddenInput;

impl HiddenInput {
    fn start() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        stty("echo");
    }
}

fn stty(mode: &str) {
    let _ = Command::new("stty").arg(mode).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, shown) in [("/a/b-1.2", "/a/b-1.2"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }
}
