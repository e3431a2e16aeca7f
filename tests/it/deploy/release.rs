//! `tools/release`: what it makes of the template, and what it refuses to release.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::rules::docs::there_is;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn parsed(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("a template is YAML")
}

#[test]
fn the_packaged_template_names_zips_and_is_the_same_in_all_else() {
    if !there_is("python3") {
        return;
    }
    for architecture in ["arm64", "x86_64"] {
        let mut program = Command::new("python3");
        program.arg(root().join("tools/release")).args(["--template", architecture]);
        let ran = program.output().expect("a program");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let packaged = parsed(&String::from_utf8(ran.stdout).expect("text"));
        let mut ours = parsed(include_str!("../../../template.yaml"));
        let chosen = &mut ours["Parameters"]["Architecture"];
        chosen["Default"] = architecture.into();
        chosen["AllowedValues"] = json!([architecture]);
        let resources = ours["Resources"].as_object_mut().expect("resources");
        for function in resources.values_mut() {
            if function["Type"] != "AWS::Serverless::Function" {
                continue;
            }
            // Otherwise `sam deploy` would ask for a build.
            let metadata =
                function.as_object_mut().and_then(|function| function.remove("Metadata"));
            let program = metadata.expect("how it is built")["BuildProperties"]["Binary"].clone();
            let zip = format!("{}.zip", program.as_str().expect("a name"));
            function["Properties"]["CodeUri"] = zip.into();
        }
        assert_eq!(packaged, ours, "{architecture}");
    }
}

/// Files are found beside the program, so a repository of its own shows this.
#[test]
fn a_tree_with_other_changes_is_not_released() {
    if !there_is("python3") || !there_is("git") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("scrip-release-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("tools")).expect("a folder");
    let script = folder.join("tools/release");
    std::fs::copy(root().join("tools/release"), &script).expect("a copy");
    let git = Command::new("git").args(["init", "--quiet"]).arg(&folder).status();
    assert!(git.expect("git").success());
    let ran = Command::new("python3").arg(&script).output().expect("a program");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success());
    assert!(said.contains("changes that are not committed:\n?? tools/"), "{said}");
    std::fs::remove_dir_all(&folder).expect("it is removed");
}
