//! `runrate manifests`.

use std::path::PathBuf;

use super::{PriceArgs, open::Opener, say};
use crate::{
    app::store,
    error::{Error, Place},
    intent::scenario::{Account, Scenario},
    manifest::{self, Wanted},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    /// Write to this folder, one subfolder per account
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write only this account [default: all]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Write only what differs from this scenario, as `init --from-manifests` wrote it
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let opener = Opener::new(&args.prices)?;
    let case = opener.case(&args.scenario)?;
    let since = args.since.as_ref().map(|path| opener.case(path)).transpose()?;
    let accounts = accounts(&case.scenario, args)?;
    // The plan chooses the class of the database, and checks the scenario.
    let plan = case.plan()?;
    let known = store::model()?;
    let mut files = Vec::new();
    let mut notes = Vec::new();
    let written_accounts: Vec<&str> = accounts.iter().map(|account| &*account.name).collect();
    for account in accounts {
        let before = since.iter().flat_map(|case| &case.scenario.accounts);
        let before = before.into_iter().find(|before| before.name == account.name);
        let wanted = Wanted {
            scenario: &case.scenario,
            account,
            catalog: &case.facts.catalog,
            facts: &known,
            sha256: &case.inputs.sha256,
            plan: Some(&plan),
            before,
        };
        let written = manifest::write(&wanted)?;
        notes.extend(written.notes.iter().map(|note| format!("note: {}: {note}", account.name)));
        for file in written.files {
            files.push((format!("{}/{}", account.name, file.name), file.text.into_bytes()));
        }
    }
    // Files of these accounts that this scenario no longer has are removed; other folders are left alone.
    let owned: Vec<String> = written_accounts
        .iter()
        .flat_map(|name| manifest::FILES.map(|file| format!("{name}/{file}")))
        .collect();
    let owned: Vec<&str> = owned.iter().map(String::as_str).collect();
    store::write_folder(&args.out, &files, &owned)?;
    for (name, _) in &files {
        say(&format!("wrote {}", args.out.join(name).display()));
    }
    for note in &notes {
        say(note);
    }
    if files.is_empty() {
        say("nothing differs, so there is nothing to write");
    } else if files.iter().any(|(_, text)| lacks_value(text)) {
        say("replace each FILL-IN by your own value");
    }
    Ok(())
}

/// Returns whether a file has a value to fill in; its heading speaks of them too.
fn lacks_value(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().any(|line| !line.starts_with('#') && line.contains(manifest::FILL_IN))
}

/// Returns the accounts to write; their names become names of folders.
fn accounts<'s>(scenario: &'s Scenario, args: &Args) -> Result<Vec<&'s Account>, Error> {
    let file = args.scenario.display().to_string();
    let asked = |account: &&Account| args.account.as_ref().is_none_or(|name| account.name == *name);
    let accounts: Vec<&Account> = scenario.accounts.iter().filter(asked).collect();
    if let (Some(name), true) = (&args.account, accounts.is_empty()) {
        let known: Vec<&str> = scenario.accounts.iter().map(|account| &*account.name).collect();
        let message = format!("has no account {name:?}; it has {}", known.join(", "));
        return Err(Error::at(Place::file(&file), message));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for account in &accounts {
        let name = &account.name;
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            let key = Some(format!("accounts.{name}"));
            let message = "cannot name a folder; use letters, digits, '-' and '_'";
            return Err(Error::at(Place { key, ..Place::file(&file) }, message));
        }
    }
    Ok(accounts)
}
