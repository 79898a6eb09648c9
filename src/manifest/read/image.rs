//! What no manifest states of the images of a pod: how long they take to start, how large they are, and what a request
//! costs them.
//!
//! # Formula
//! ```text
//! start = the longest of the containers, at least the initial delay of their readiness probes
//! size  = the sum of the containers' images
//! ```

use serde_json::Value;

use super::{
    Knowledge,
    documents::{Object, at, items},
    pod,
};
use crate::manifest::{Facts, ImageFacts, ImageSize};

/// Assumptions on the images of a pod.
#[derive(Debug, Clone)]
pub(super) struct Images {
    /// Start and size of the pod.
    pub(super) size: ImageSize,
    /// The kind of all of its images, where it is known.
    pub(super) kind: Option<ImageFacts>,
    /// Their kinds in words.
    pub(super) why: String,
    /// Their repositories.
    names: Vec<String>,
}

impl Images {
    /// Those of a pod that no manifest has.
    pub(super) fn unknown(facts: &Facts) -> Self {
        let why = "an unknown image".into();
        Self { size: facts.unknown_image, kind: None, why, names: Vec::new() }
    }

    pub(super) fn of(object: &Object, knowledge: Knowledge<'_>) -> Self {
        let facts = knowledge.facts;
        let images = pod::images(object);
        if images.is_empty() {
            return Self::unknown(facts);
        }
        let kind_of = |image: &&str| {
            let is = |kind: &&ImageFacts| kind.images.iter().any(|end| is_repository(image, end));
            facts.images.iter().find(is)
        };
        let kinds: Vec<Option<&ImageFacts>> = images.iter().map(kind_of).collect();
        let sizes = kinds.iter().map(|kind| kind.map_or(facts.unknown_image, ImageFacts::size));
        let mut size =
            sizes.fold(ImageSize { startup_seconds: 0, image_mib: 0.0 }, |sum, size| ImageSize {
                startup_seconds: sum.startup_seconds.max(size.startup_seconds),
                image_mib: sum.image_mib + size.image_mib,
            });
        let containers = items(&object.body, "/spec/template/spec/containers");
        let delay = |container: &Value| {
            at(container, "/readinessProbe/initialDelaySeconds").and_then(Value::as_u64)
        };
        let delay = containers.iter().filter_map(delay).max().unwrap_or(0).min(3600) as u32;
        size.startup_seconds = size.startup_seconds.max(delay);
        let mut names: Vec<&str> =
            kinds.iter().map(|kind| kind.map_or("an unknown image", |kind| &*kind.name)).collect();
        names.dedup();
        let is_known = kinds.iter().all(Option::is_some);
        let kind = kinds.first().copied().flatten().filter(|_| is_known);
        let why = names.join(" and ");
        let names = images.iter().map(|image| (*image).to_owned()).collect();
        Self { size, kind: kind.cloned(), why, names }
    }

    /// Returns whether one is of a repository with one of these ends.
    pub(super) fn are_of(&self, ends: &[String]) -> bool {
        ends.iter().any(|end| self.names.iter().any(|image| is_repository(image, end)))
    }
}

/// Returns whether an image is of a repository that ends so, in any registry.
pub(super) fn is_repository(image: &str, end: &str) -> bool {
    let before = image.strip_suffix(end);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}
