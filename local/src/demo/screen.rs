//! Shows the demo: lines, and at a terminal a moving balance and pauses to read.

use std::io::{self, Write};
use std::time::Duration;

use console::Style;
use shared::domain::Credits;

use crate::change::Tone;
use crate::terminal::Terminal;

/// The cells of the bar.
const BAR: i64 = 32;
/// The balance moves in this many frames of this length: 480 ms.
const FRAMES: i64 = 16;
const FRAME: Duration = Duration::from_millis(30);
/// How often an important line lights up.
const FLASHES: usize = 6;
const FLASH: Duration = Duration::from_millis(130);
/// The pause between two answers of the rush, which arrive faster than a person can see.
const BLINK: Duration = Duration::from_millis(6);
/// Pauses: 22 steps of one each and 7 scenes take less than a minute, with all animation.
const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_millis(1_000);

/// Returns to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// The balance that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
}

/// The output of the scenes.
pub struct Screen<'a> {
    out: Box<dyn Write + Send + 'a>,
    /// None: plain text.
    terminal: Option<&'a mut Terminal>,
    /// The shown balance, and the credits that fill the bar.
    balance: Balance,
    full: Credits,
    /// The viewer pressed a key: this scene has no more pauses.
    hurries: bool,
    has_quit: bool,
}

impl<'a> Screen<'a> {
    /// Plain text for scripts, without pauses.
    pub fn plain(out: impl Write + Send + 'a) -> Screen<'a> {
        Screen {
            out: Box::new(out),
            terminal: None,
            balance: Balance::default(),
            full: Credits::ZERO,
            hurries: true,
            has_quit: false,
        }
    }

    /// A terminal with a viewer: any key skips to the next scene, `q` quits.
    pub fn live(terminal: &'a mut Terminal) -> Screen<'a> {
        let mut screen = Screen::plain(io::stdout());
        screen.terminal = Some(terminal);
        screen
    }

    /// Whether the viewer has quit.
    pub(super) fn has_quit(&self) -> bool {
        self.has_quit
    }

    /// Begins a scene, in which the bar is full at `full` credits.
    pub(super) async fn scene(
        &mut self,
        number: usize,
        of: usize,
        title: &str,
        full: i64,
    ) -> io::Result<()> {
        self.full = Credits::whole(full);
        self.hurries = self.terminal.is_none();
        if number == 1 && self.terminal.is_some() {
            write!(self.out, "{HIDE_CURSOR}")?;
            self.line(&self.styled(Style::new().dim(), "  any key: skip ahead   q: quit"))?;
        }
        let (number, title) = (format!("{number}/{of}"), self.styled(Style::new().bold(), title));
        let number = self.styled(Style::new().cyan().bold(), &number);
        self.line("")?;
        self.line(&format!("{number}  {title}"))?;
        self.pause(SHORT).await;
        Ok(())
    }

    /// Announces the next step.
    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.line(&format!("  {text}"))?;
        self.pause(SHORT).await;
        Ok(())
    }

    /// Shows a request,
    pub(super) fn sent(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(Style::new().dim(), text);
        self.line(&format!("      {text}"))
    }

    /// and its outcome.
    pub(super) fn came(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let text = self.styled(tone.style(), text);
        self.line(&format!("      {text}"))
    }

    /// Shows the point of a scene, which lights up.
    pub(super) async fn glow(&mut self, text: &str) -> io::Result<()> {
        for flash in 0..FLASHES {
            if self.hurries {
                break;
            }
            let style = Style::new().bold().magenta();
            let style = if flash % 2 == 0 { style.reverse() } else { style };
            let text = self.styled(style, &format!(" {text} "));
            write!(self.out, "{CLEAR}    =>{text}")?;
            self.out.flush()?;
            self.pause(FLASH).await;
        }
        self.verdict(text)
    }

    /// Shows the result of a step.
    pub(super) fn verdict(&mut self, text: &str) -> io::Result<()> {
        let text = self.styled(Style::new().bold().green(), text);
        self.line(&format!("    => {text}"))
    }

    /// Moves the shown balance to this one, if they differ.
    pub(super) async fn balance(&mut self, balance: Balance) -> io::Result<()> {
        let before = std::mem::replace(&mut self.balance, balance);
        if self.terminal.is_none() {
            return if before == balance {
                Ok(())
            } else {
                self.line(&format!("      {}", words(balance)))
            };
        }
        for frame in 1..FRAMES {
            if self.hurries || before == balance {
                break;
            }
            let between = |from: Credits, to: Credits| {
                let micro = from.micro() + (to.micro() - from.micro()) * frame / FRAMES;
                // In tenths, because more digits flicker.
                Credits::from_micro(micro / 100_000 * 100_000)
            };
            self.draw(
                Balance {
                    available: between(before.available, balance.available),
                    held: between(before.held, balance.held),
                    debt: between(before.debt, balance.debt),
                },
                "",
            )?;
            self.pause(FRAME).await;
        }
        self.draw(balance, "")
    }

    /// Shows how many debits passed and were refused so far, and the credits left.
    pub(super) async fn count(
        &mut self,
        passed: usize,
        refused: usize,
        available: Credits,
    ) -> io::Result<()> {
        if self.terminal.is_none() {
            return Ok(());
        }
        self.balance.available = available;
        self.draw(self.balance, &format!("   {passed} passed, {refused} refused"))?;
        self.pause(BLINK).await;
        Ok(())
    }

    /// Pauses to let the viewer read a step.
    pub(super) async fn rest(&mut self) {
        self.pause(LONG).await;
    }

    /// Prints a line above the bar.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        if self.terminal.is_none() {
            return writeln!(self.out, "{text}");
        }
        writeln!(self.out, "{CLEAR}{text}")?;
        self.draw(self.balance, "")
    }

    /// Draws the bar in the last line, below everything.
    fn draw(&mut self, balance: Balance, more: &str) -> io::Result<()> {
        if self.full.is_zero() {
            return Ok(());
        }
        let (available, full) = (balance.available.micro(), self.full.micro());
        // A small remainder still shows one cell.
        let filled = (available * BAR / full).clamp(i64::from(available > 0), BAR);
        let cells = |cell: &str, count: i64| cell.repeat(usize::try_from(count).unwrap_or(0));
        let style = match balance.debt.is_zero() && available * 5 > full {
            true => Style::new().green(),
            false => Style::new().yellow(),
        };
        let bar = self.styled(style, &cells("█", filled));
        let rest = self.styled(Style::new().dim(), &cells("░", BAR - filled));
        let words = self.styled(Style::new().bold(), &words(balance));
        write!(self.out, "{CLEAR}  {bar}{rest}  {words}{more}")?;
        self.out.flush()
    }

    /// Waits, unless the viewer is in a hurry.
    async fn pause(&mut self, time: Duration) {
        let Some(terminal) = self.terminal.as_mut().filter(|_| !self.hurries) else { return };
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            key = terminal.key() => {
                self.hurries = true;
                self.has_quit = key == 'q';
            }
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        let style = if self.terminal.is_some() { style } else { style.force_styling(false) };
        style.apply_to(text).to_string()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.terminal.is_some() {
            // The output may be closed: there is nothing to do then.
            let _ = writeln!(self.out, "{SHOW_CURSOR}");
        }
    }
}

/// A balance in words: `22 credits, 2 held`.
fn words(balance: Balance) -> String {
    let Balance { available, held, debt } = balance;
    let mut words = crate::change::credits(&available.to_string());
    for (amount, kind) in [(held, "held"), (debt, "of debt")] {
        if !amount.is_zero() {
            words.push_str(&format!(", {amount} {kind}"));
        }
    }
    words
}
