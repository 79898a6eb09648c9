//! `runrate init`.

use std::path::{Path, PathBuf};

use super::open::Opener;
use crate::{
    app::store::{self, PriceSource},
    error::{Error, Place},
    manifest,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the scenario to this file
    #[arg(default_value = "scenario.toml")]
    path: PathBuf,
    /// Start from a folder of Kubernetes manifests (YAML, JSON, or dumps of `kubectl get -o yaml`)
    #[arg(long, value_name = "DIR")]
    from_manifests: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

/// The first example is the template: it has comments, and tests run it.
const TEMPLATE: &str = include_str!("../../../examples/innovate.toml");

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let path = args.path.display().to_string();
    if args.path.exists() && !args.force {
        return Err(Error::at(
            Place::file(&path),
            "already exists; name another file, or pass --force",
        ));
    }
    if let Some(folder) = &args.from_manifests {
        return from_manifests(folder, &args.path);
    }
    store::write_file(&args.path, TEMPLATE.as_bytes())?;
    super::say(&format!("wrote {path}; try `runrate plan {path}`"));
    Ok(())
}

fn from_manifests(folder: &Path, to: &Path) -> Result<(), Error> {
    let (sources, unread) = store::manifests(folder)?;
    let (facts, opener) = (store::model()?, Opener::with_prices(PriceSource::Embedded)?);
    let read = manifest::read((&sources, &unread), TEMPLATE, (&facts, &opener.catalog))?;
    for note in &read.notes {
        super::say(&format!("note: {note}"));
    }
    store::write_file(to, read.scenario.as_bytes())?;
    let path = to.display().to_string();
    super::say(&format!("read {} from {}", read.found.summary(), folder.display()));
    // Manifests may contradict themselves, as clusters do: a plan would report the same.
    let checked = opener.case(to).and_then(|case| case.prepared().map(drop));
    if checked.is_err() {
        super::say(&format!("wrote {path}; it cannot be planned until these problems are fixed:"));
    } else {
        super::say(&format!("wrote {path}; try `runrate plan {path}`"));
    }
    checked
}
