//! The terminal: reads keys as they are pressed, and restores its settings when the process ends.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use console::Term;
use tokio::sync::mpsc;

/// The interval and the number of checks whether an opener has ended: two seconds.
const TICK: Duration = Duration::from_millis(50);
const OPENER_TICKS: u32 = 40;

/// A terminal with a person at it. Its drop restores the settings.
pub struct Terminal {
    pressed: mpsc::UnboundedReceiver<char>,
    /// The settings that `stty` restores. None: this system has no `stty`.
    before: Option<String>,
}

impl Terminal {
    /// The terminal of this process. None: standard input or output is something else, or the
    /// process runs in the background, where the system stops a process that reads a terminal.
    pub fn open() -> Option<Terminal> {
        if !(std::io::stdin().is_terminal() && Term::stdout().is_term()) || is_in_background() {
            return None;
        }
        let before = stty(&["-g"]);
        if before.is_some() {
            // Each key at once and without an echo. Ctrl-C stays a signal.
            stty(&["-icanon", "-echo", "min", "1"])?;
        }
        let (presses, pressed) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            // Until the receiver is gone, or the input ends.
            while let Some(key) = read() {
                if presses.send(key).is_err() {
                    break;
                }
            }
        });
        Some(Terminal { pressed, before })
    }

    /// The next key that is pressed. It never returns where no key can come any more.
    pub async fn key(&mut self) -> char {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            stty(&[before]);
        }
    }
}

#[cfg(unix)]
fn read() -> Option<char> {
    let mut byte = [0];
    std::io::Read::read_exact(&mut std::io::stdin(), &mut byte).ok()?;
    Some(char::from(byte[0]))
}

#[cfg(not(unix))]
fn read() -> Option<char> {
    match Term::stdout().read_key().ok()? {
        console::Key::Char(key) => Some(key),
        console::Key::Enter => Some('\n'),
        _ => Some(' '),
    }
}

/// Runs `stty`, whose input is the terminal. It prints the settings that `-g` asks for.
fn stty(arguments: &[&str]) -> Option<String> {
    let mut stty = Command::new("stty");
    let done = stty.args(arguments).stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| said.trim().to_owned())
}

/// Whether another process has the terminal: a shell that started this one with `&`.
fn is_in_background() -> bool {
    let id = std::process::id().to_string();
    let state = Command::new("ps").args(["-o", "stat=", "-p", &id]).output();
    // Without `ps` the process counts as in the foreground, as it almost always is.
    state.is_ok_and(|state| {
        let state = String::from_utf8_lossy(&state.stdout);
        !state.trim().is_empty() && !state.contains('+')
    })
}

/// Opens an address in the browser. False: no opener works.
pub async fn browse(url: &str) -> bool {
    let (program, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let mut opener = Command::new(program);
    opener.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(mut opening) = opener.stderr(Stdio::null()).spawn() else { return false };
    for _ in 0..OPENER_TICKS {
        match opening.try_wait() {
            Ok(None) => tokio::time::sleep(TICK).await,
            Ok(Some(status)) => return status.success(),
            Err(_) => return false,
        }
    }
    // Some openers are the browser itself, and end with it.
    true
}

/// Listens from now on for the signal to end the process: Ctrl-C, or a `kill` that can be caught.
/// The future is done then. Call it within a runtime.
///
/// # Errors
/// If the process cannot listen for signals.
#[cfg(unix)]
pub fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// The same where Ctrl-C is the only signal.
///
/// # Errors
/// If the process cannot listen for it.
#[cfg(not(unix))]
pub fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupted = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupted.recv().await;
    })
}
