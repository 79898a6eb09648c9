//! Types of EBS volumes, and what AWS makes of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Type of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeType {
    /// General purpose, IOPS and throughput set apart from the size.
    #[default]
    Gp3,
    /// General purpose, IOPS by size.
    Gp2,
    /// Provisioned IOPS.
    Io2,
    /// Hard disk for throughput; boots no node.
    St1,
    /// Cold hard disk; boots no node.
    Sc1,
}

impl VolumeType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Gp3, Self::Gp2, Self::Io2, Self::St1, Self::Sc1];

    /// Returns AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gp3 => "gp3",
            Self::Gp2 => "gp2",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
        }
    }

    /// Returns AWS's name after "a" or "an".
    pub fn with_article(self) -> String {
        let article = if matches!(self, Self::Gp3 | Self::Gp2) { "a" } else { "an" };
        format!("{article} {}", self.name())
    }

    /// Returns the type of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Volume types.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EbsFacts {
    /// Of gp3.
    pub gp3: VolumeFacts,
    /// Of gp2.
    pub gp2: VolumeFacts,
    /// Of io2.
    pub io2: VolumeFacts,
    /// Of st1.
    pub st1: VolumeFacts,
    /// Of sc1.
    pub sc1: VolumeFacts,
}

impl EbsFacts {
    /// Returns the facts of a type.
    pub fn of(&self, kind: VolumeType) -> &VolumeFacts {
        match kind {
            VolumeType::Gp3 => &self.gp3,
            VolumeType::Gp2 => &self.gp2,
            VolumeType::Io2 => &self.io2,
            VolumeType::St1 => &self.st1,
            VolumeType::Sc1 => &self.sc1,
        }
    }
}

/// What AWS makes of a volume type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeFacts {
    /// Smallest volume, in GiB.
    pub min_gib: f64,
    /// Largest volume, in GiB.
    pub max_gib: f64,
    /// IOPS without extra charge.
    #[serde(default)]
    pub included_iops: f64,
    /// Least IOPS that must be provisioned; 0 where none must.
    #[serde(default)]
    pub min_iops: f64,
    /// Most IOPS that can be provisioned; 0 where they cannot.
    #[serde(default)]
    pub max_iops: f64,
    /// Most IOPS for each GiB.
    pub max_iops_per_gib: Option<f64>,
    /// Ends of the tiers at which IOPS of one volume are billed; the last tier has no end.
    #[serde(default)]
    pub iops_tiers: Vec<f64>,
    /// Throughput without extra charge, in MiB/s.
    #[serde(default)]
    pub included_mibps: f64,
    /// Most throughput that can be provisioned, in MiB/s; 0 where it cannot.
    #[serde(default)]
    pub max_mibps: f64,
    /// Whether an instance boots from it.
    #[serde(default = "boots")]
    pub boots: bool,
}

fn boots() -> bool {
    true
}

/// A volume as settings provision it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Provisioned {
    /// Its type.
    pub kind: VolumeType,
    /// Its size, in GiB; `None` where another table or a default sets it.
    pub gib: Option<f64>,
    /// IOPS.
    pub iops: Option<f64>,
    /// Throughput, in MiB/s.
    pub mibps: Option<f64>,
}

/// A setting of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Size.
    Size,
    /// IOPS.
    Iops,
    /// Throughput.
    Throughput,
}

impl Provisioned {
    /// Returns what AWS does not make: a setting, and why.
    pub fn problems(self, facts: &EbsFacts) -> Vec<(Setting, String)> {
        let (name, facts) = (self.kind.with_article(), facts.of(self.kind));
        let mut problems = Vec::new();
        let mut add = |setting, message: String| problems.push((setting, message));
        if let Some(gib) = self.gib {
            if gib > facts.max_gib {
                add(
                    Setting::Size,
                    format!("{gib} is above {}, the most AWS allows", facts.max_gib),
                );
            } else if gib < facts.min_gib {
                let least = facts.min_gib;
                add(Setting::Size, format!("{gib} is below {least}, the least of {name} volume"));
            }
        }
        for (setting, given, most) in [
            (Setting::Iops, self.iops, facts.max_iops),
            (Setting::Throughput, self.mibps, facts.max_mibps),
        ] {
            let Some(given) = given else { continue };
            if most <= 0.0 {
                let other = if setting == Setting::Iops { "gp3 or io2" } else { "gp3" };
                add(
                    setting,
                    format!("{name} volume has no setting for it; use {other}, or remove the key"),
                );
            } else if given > most {
                add(setting, format!("{given} is above {most}, the most AWS allows"));
            }
        }
        let least = facts.min_iops;
        match self.iops {
            None if least > 0.0 => {
                add(Setting::Iops, format!("is missing; {name} volume needs at least {least}"));
            }
            Some(iops) if iops < least => {
                add(Setting::Iops, format!("{iops} is below {least}, the least of {name} volume"));
            }
            Some(iops) => {
                let per_gib = facts.max_iops_per_gib.zip(self.gib);
                if let Some((most, gib)) = per_gib.filter(|(most, gib)| iops > most * gib) {
                    let all = most * gib;
                    let message = format!(
                        "{iops} is above {all}, {most} for each of the volume's {gib} GiB, which is the most AWS allows"
                    );
                    add(Setting::Iops, message);
                }
            }
            None => {}
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::store;

    fn problems(kind: VolumeType, gib: f64, iops: Option<f64>, mibps: Option<f64>) -> Vec<String> {
        let facts = store::embedded_catalog().unwrap().controllers.ebs;
        let volume = Provisioned { kind, gib: Some(gib), iops, mibps };
        volume
            .problems(&facts)
            .into_iter()
            .map(|(setting, why)| format!("{setting:?}: {why}"))
            .collect()
    }

    #[test]
    fn each_type_has_its_bounds() {
        assert!(problems(VolumeType::Gp3, 1.0, Some(80_000.0), Some(2000.0)).is_empty());
        assert!(problems(VolumeType::Io2, 4.0, Some(4000.0), None).is_empty());
        assert!(problems(VolumeType::Io2, 256.0, Some(256_000.0), None).is_empty());
        assert!(problems(VolumeType::St1, 125.0, None, None).is_empty());
        let wrong = |kind, gib, iops, mibps| problems(kind, gib, iops, mibps).join("\n");
        for (found, expected) in [
            (
                wrong(VolumeType::Sc1, 124.0, None, None),
                "Size: 124 is below 125, the least of an sc1",
            ),
            (wrong(VolumeType::Gp2, 16_385.0, None, None), "Size: 16385 is above 16384, the most"),
            (wrong(VolumeType::Io2, 100.0, None, None), "Iops: is missing; an io2 volume needs at"),
            (wrong(VolumeType::Io2, 100.0, Some(99.0), None), "Iops: 99 is below 100, the least"),
            (
                wrong(VolumeType::Io2, 10.0, Some(10_001.0), None),
                "Iops: 10001 is above 10000, 1000",
            ),
            (
                wrong(VolumeType::St1, 125.0, Some(500.0), None),
                "Iops: an st1 volume has no setting",
            ),
            (wrong(VolumeType::Io2, 10.0, Some(100.0), Some(200.0)), "Throughput: an io2 volume"),
            (wrong(VolumeType::Gp2, 10.0, Some(100.0), None), "Iops: a gp2 volume has no setting"),
        ] {
            assert!(found.starts_with(expected), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
