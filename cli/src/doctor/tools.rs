//! The programs that a deploy from source needs.

use std::process::{Command, Stdio};

use super::finding::Finding;
use super::samconfig::Settings;

/// The oldest SAM CLI that was tried with this template: major and minor version.
const SAM: [u32; 2] = [1, 170];

/// Looks at the tools.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let target = match settings.parameter("Architecture") {
        Some("x86_64") => "x86_64-unknown-linux-gnu",
        _ => "aarch64-unknown-linux-gnu",
    };
    let looked = tokio::task::spawn_blocking(move || {
        let zig = output("zig", &["version"])
            .or_else(|| output("python3", &["-m", "ziglang", "version"]));
        let lambda = output("cargo", &["lambda", "--version"]);
        let built = "only `sam build` needs it: pip install";
        vec![
            sam(output("sam", &["--version"]).as_deref()),
            built_with("cargo-lambda", lambda, &format!("{built} cargo-lambda")),
            built_with("zig", zig, &format!("{built} ziglang")),
            rust_target(target, output("rustup", &["target", "list", "--installed"])),
        ]
    });
    looked.await.unwrap_or_else(|error| vec![Finding::fail(error.to_string(), "try again")])
}

/// What a program prints. None: it does not run, or fails.
fn output(program: &str, words: &[&str]) -> Option<String> {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output().ok()?;
    ran.status.success().then(|| String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

fn sam(printed: Option<&str>) -> Finding {
    let advice = format!("pip install 'aws-sam-cli>={}.{}'", SAM[0], SAM[1]);
    let Some(printed) = printed else { return Finding::fail("sam: it does not run", advice) };
    // "SAM CLI, version 1.158.0".
    let version = printed.split_whitespace().last().unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    match numbers.get(..2) {
        Some(numbers) if numbers >= &SAM[..] => Finding::ok(format!("sam: {version}")),
        _ => Finding::fail(format!("sam: {version} is older than what was tried"), advice),
    }
}

fn built_with(tool: &str, printed: Option<String>, advice: &str) -> Finding {
    match printed {
        Some(printed) => {
            let version = printed.split_whitespace().find(|word| word.starts_with(numeric));
            Finding::ok(format!("{tool}: {}", version.unwrap_or("found")))
        }
        None => Finding::warn(format!("{tool}: it does not run"), advice),
    }
}

fn numeric(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn rust_target(target: &str, installed: Option<String>) -> Finding {
    let text = format!("rust target: {target}");
    match installed {
        Some(list) if list.lines().any(|line| line.trim() == target) => Finding::ok(text),
        _ => Finding::warn(
            format!("{text} is not installed"),
            format!("only `sam build` needs it: rustup target add {target}"),
        ),
    }
}
