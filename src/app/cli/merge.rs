//! `runrate merge`.

use std::path::PathBuf;

use super::{output::Printed, plan, trials::percent};
use crate::{
    app::store,
    error::{Error, guard},
    plan::trials::part,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read these parts of one plan, written by `plan --shard I/N --out FILE.parquet`
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// Write the files of `plan --out` to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Exit with 3 if a budget is exceeded in more than this share of the trials, such as 50%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_over: Option<f64>,
    #[command(flatten)]
    printed: Printed,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let read = |path: &PathBuf| {
        let file = path.display().to_string();
        let bytes = store::read_bytes(path)?;
        let part = guard::catch(&file, || part::read(&file, &bytes))?;
        Ok((file, part))
    };
    let parts = args.parts.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    let plan = part::merge(parts)?;
    plan::tell(&plan, args.out.as_deref(), (args.printed, plan::Telling::default()), args.fail_over)
}
