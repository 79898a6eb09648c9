//! `--redact-accounts`: nothing that is written or printed has an account id.

use std::path::Path;

use crate::{
    app::{
        cli::{random_key, say},
        store,
    },
    bills::actuals::{MonthBill, redact::Redaction},
    error::Error,
};

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Flag {
    /// Replace account ids by pseudonyms, which stay the same within one folder of bills
    #[arg(long)]
    redact_accounts: bool,
}

/// Whether account ids may be shown.
#[derive(Debug)]
pub(super) struct Privacy<'a> {
    folder: &'a Path,
    /// None where ids may be shown.
    redaction: Option<Redaction>,
    /// Whether the folder had a key.
    kept: bool,
}

impl<'a> Privacy<'a> {
    /// Runs a command; with redaction, its errors show no account id.
    pub(super) fn within(
        flag: Flag,
        folder: &'a Path,
        run: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let fresh = || Redaction::new(random_key().to_be_bytes());
        let redaction = flag.redact_accounts.then(fresh);
        let mut privacy = Self { folder, redaction, kept: false };
        let done = privacy.read_key().and_then(|()| run(&mut privacy));
        done.map_err(|error| match &privacy.redaction {
            Some(redaction) => redaction.error(error),
            None => error,
        })
    }

    fn read_key(&mut self) -> Result<(), Error> {
        if self.redaction.is_some()
            && let Some(key) = store::redaction_key(self.folder)?
        {
            (self.redaction, self.kept) = (Some(Redaction::new(key)), true);
        }
        Ok(())
    }

    /// Prints a message to stderr.
    pub(super) fn say(&self, text: &str) {
        match &self.redaction {
            Some(redaction) => say(&redaction.text(text)),
            None => say(text),
        }
    }

    /// Redacts bills to be shown.
    pub(super) fn hide(&mut self, bills: &mut [MonthBill]) -> Result<(), Error> {
        self.redaction.as_mut().map_or(Ok(()), |redaction| redaction.bills(bills))
    }

    /// Redacts bills and writes them to the folder, with the key of their pseudonyms.
    pub(super) fn save(&mut self, bills: &mut [MonthBill]) -> Result<(), Error> {
        if self.redaction.is_some() && !self.kept {
            let key = store::keep_redaction_key(self.folder, random_key().to_be_bytes())?;
            self.redaction = Some(Redaction::new(key));
            self.say(&format!(
                "note: {} in {} is the key of the pseudonyms. Keep it there, so that later bills get the same ones; do not share it with the bills",
                store::REDACTION_KEY,
                self.folder.display()
            ));
        }
        self.hide(bills)?;
        store::save_bills(self.folder, bills)?;
        if let Some(redaction) = &self.redaction {
            // A month that cannot be read is for the command that reads it.
            let kept = store::load_bills(self.folder).unwrap_or_default();
            let open = redaction.unredacted(&kept);
            let open: Vec<String> = open.iter().map(ToString::to_string).collect();
            if !open.is_empty() {
                self.say(&format!(
                    "warning: {} still shows account ids in {}; import these months again with --redact-accounts",
                    self.folder.display(),
                    open.join(", ")
                ));
            }
        }
        Ok(())
    }
}
