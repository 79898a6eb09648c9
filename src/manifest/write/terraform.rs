//! Aurora's parameters as Terraform variables: their declarations and their values.
//!
//! # Source
//! Terraform language, "Input Variables" (`*.auto.tfvars`) and "Strings and Templates" (escapes).

use std::fmt::Write as _;

use super::{Wanted, Written};
use crate::{
    manifest::StorageFacts,
    measure::calendar::Month,
    usage::services::aurora::{Spec, StorageType},
};

/// Keys and what is wrong with them.
type Problems = Vec<(String, String)>;

/// A variable: name, type, value, where it comes from.
struct Variable {
    name: &'static str,
    kind: &'static str,
    value: String,
    why: String,
}

pub(super) fn files(wanted: &Wanted<'_>) -> Result<(Vec<Written>, Problems), Problems> {
    let table = wanted.scenario.stack_table(wanted.account);
    let Some(value) = table.get("aurora") else { return Ok((Vec::new(), Vec::new())) };
    let wrong = |error: toml::de::Error| vec![("aurora".to_owned(), error.message().to_owned())];
    let spec: Spec = value.clone().try_into().map_err(wrong)?;
    let chosen = chosen(wanted);
    let variables = variables(&spec, chosen.first(), &wanted.facts.aurora_storage);
    let mut values = String::new();
    for line in super::heading(wanted) {
        let _ = writeln!(values, "# {}", super::yaml::one_line(&line));
    }
    if spec.instance_class.is_none() && spec.serverless.is_none() && chosen.is_empty() {
        let _ = writeln!(
            values,
            "# aurora_instance_class is not here: the plan chooses it from the load, and names none for\n# this account. Set aurora.instance_class."
        );
    }
    for variable in &variables {
        let why = super::yaml::one_line(&variable.why);
        let _ = writeln!(values, "{} = {} # {why}", variable.name, variable.value);
    }
    for (month, instances, class) in chosen.iter().skip(1) {
        let _ = writeln!(
            values,
            "# from {month}: aurora_instance_class = {}, aurora_readers = {}",
            text(class),
            instances.saturating_sub(1)
        );
    }
    let mut declared = String::from("# Declarations of the variables in aurora.auto.tfvars.\n");
    for variable in &variables {
        let _ = writeln!(declared, "variable {:?} {{ type = {} }}", variable.name, variable.kind);
    }
    let files = vec![
        Written { name: "aurora.auto.tfvars".into(), text: values },
        Written { name: "aurora-variables.tf".into(), text: declared },
    ];
    Ok((files, later(&chosen)))
}

/// What is written is what the first month needs: it is to be applied then, and later months need more.
fn later(chosen: &[(Month, u32, String)]) -> Problems {
    let [(first, ..), others @ ..] = chosen else { return Vec::new() };
    if others.is_empty() {
        return Vec::new();
    }
    let each = others.iter().map(|(month, instances, class)| {
        format!("from {month} {class}, readers {}", instances.saturating_sub(1))
    });
    let each: Vec<String> = each.collect();
    let message = format!(
        "aurora.auto.tfvars is of {first}; the plan chooses otherwise later: {}",
        each.join("; ")
    );
    vec![("aurora".to_owned(), message)]
}

/// Returns instances and class by the month from which they are chosen.
fn chosen(wanted: &Wanted<'_>) -> Vec<(Month, u32, String)> {
    let mut chosen: Vec<(Month, u32, String)> = Vec::new();
    for month in wanted.plan.iter().flat_map(|plan| &plan.months) {
        let accounts = month.accounts.iter().filter(|of| of.account == wanted.account.name);
        let choices = accounts.flat_map(|of| &of.choices).filter(|c| c.subject == "aurora");
        for choice in choices {
            let Some((instances, class)) = choice.choice.split_once(" × ") else { continue };
            let (Ok(instances), true) = (instances.parse::<u32>(), class.starts_with("db.")) else {
                continue;
            };
            if chosen.last().is_none_or(|(_, n, c)| *n != instances || c != class) {
                chosen.push((month.month, instances, class.to_owned()));
            }
        }
    }
    chosen
}

fn variables(
    spec: &Spec,
    chosen: Option<&(Month, u32, String)>,
    known: &StorageFacts,
) -> Vec<Variable> {
    let mut all = Vec::new();
    let mut add = |name, kind, value: String, why: &str| {
        all.push(Variable { name, kind, value, why: why.to_owned() });
    };
    if let Some(limits) = spec.serverless {
        add("aurora_instance_class", "string", text("db.serverless"), "aurora.serverless");
        let (least, most) = (limits.min_acu.to_string(), limits.max_acu.to_string());
        add("aurora_serverless_min_acu", "number", least, "aurora.serverless.min_acu");
        add("aurora_serverless_max_acu", "number", most, "aurora.serverless.max_acu");
    } else if let Some(class) = &spec.instance_class {
        add("aurora_instance_class", "string", text(class), "aurora.instance_class");
    } else if let Some((month, _, class)) = chosen {
        let why = format!("chosen by the plan for {month}");
        add("aurora_instance_class", "string", text(class), &why);
    }
    let readers = match chosen {
        Some((month, instances, _)) => {
            (instances.saturating_sub(1), format!("chosen by the plan for {month}"))
        }
        None => (spec.min_readers, "aurora.min_readers".to_owned()),
    };
    add("aurora_readers", "number", readers.0.to_string(), &readers.1);
    if let Some(most) = spec.max_readers {
        add("aurora_max_readers", "number", most.to_string(), "aurora.max_readers");
    }
    let storage = match spec.storage_type {
        StorageType::Standard => &*known.standard,
        StorageType::IoOptimized => &*known.io_optimized,
    };
    let why = "aurora.storage_type: empty is Aurora Standard";
    add("aurora_storage_type", "string", text(storage), why);
    let days = spec.backup_retention_days.ceil().to_string();
    add("aurora_backup_retention_days", "number", days, "aurora.backup_retention_days");
    if let Some(version) = &spec.engine_version {
        add("aurora_engine_version", "string", text(version), "aurora.engine_version");
    } else if let Some(version) = &spec.extended_support_version {
        let why = "aurora.extended_support_version";
        add("aurora_engine_version", "string", text(version), why);
    }
    all
}

/// Returns a string of Terraform's language.
fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    // A template begins with these; doubled, they are themselves.
    quoted.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_quotes() {
        assert_eq!(text("db.r6g.large"), "\"db.r6g.large\"");
        assert_eq!(text("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000A\"");
        assert_eq!(text("${file(\"x\")}%{if}"), "\"$${file(\\\"x\\\")}%%{if}\"");
    }
}
