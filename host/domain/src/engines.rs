//! Several Docker engines, and on which of them an addon is: what somebody may wish for, and which of those that fit is taken.
//!
//! An addon is on one engine for good, since its volumes are. So this is asked once, when it is created.

mod definition;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{EngineName, LabelText, NameError};

pub use definition::{EngineDefinition, EngineTls, NoDefinition};

/// How many engines there may be.
pub const ENGINES_MAX: usize = 32;
/// How many labels an engine may have, and how many a wish may name.
pub const ENGINE_LABELS_MAX: usize = 16;
/// The heaviest that an engine may be.
pub const ENGINE_WEIGHT_MAX: u32 = 1_000;

/// What is said of an engine, to be wished for.
pub type EngineLabels = BTreeMap<LabelText, LabelText>;

/// On which engine an addon is to be: on the one of a name, or on one that has all of some labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EngineWish {
    /// The one of this name.
    Named(EngineName),
    /// One with all of these labels.
    Labelled(EngineLabels),
}

/// A text that is no wish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineWishError {
    /// A name or a label.
    #[error("a wish for an engine is its name, or labels like disk=ssd,zone=a: {0}")]
    Name(#[from] NameError),
    /// A label that is named twice.
    #[error("the label {0} is wished for twice")]
    Twice(LabelText),
    /// Too many of them.
    #[error("a wish for an engine names at most {ENGINE_LABELS_MAX} labels")]
    TooMany,
}

impl EngineWish {
    /// Whether an engine is one that is wished for.
    #[must_use]
    pub fn fits(&self, name: &EngineName, labels: &EngineLabels) -> bool {
        match self {
            Self::Named(wanted) => wanted == name,
            Self::Labelled(wanted) => wanted.iter().all(|(key, value)| labels.get(key) == Some(value)),
        }
    }
}

impl FromStr for EngineWish {
    type Err = EngineWishError;

    fn from_str(text: &str) -> Result<Self, EngineWishError> {
        if !text.contains('=') {
            return Ok(Self::Named(text.parse()?));
        }
        let mut labels = EngineLabels::new();
        for label in text.split(',') {
            if labels.len() == ENGINE_LABELS_MAX {
                return Err(EngineWishError::TooMany);
            }
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            let key: LabelText = key.parse()?;
            if labels.insert(key.clone(), value.parse()?).is_some() {
                return Err(EngineWishError::Twice(key));
            }
        }
        Ok(Self::Labelled(labels))
    }
}

impl TryFrom<String> for EngineWish {
    type Error = EngineWishError;

    fn try_from(text: String) -> Result<Self, EngineWishError> {
        text.parse()
    }
}

impl From<EngineWish> for String {
    fn from(wish: EngineWish) -> Self {
        wish.to_string()
    }
}

impl fmt::Display for EngineWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Labelled(labels) => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                f.write_str(&labels.join(","))
            }
        }
    }
}

/// An engine on which an addon may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which one.
    pub name: EngineName,
    /// How many addons it takes beside those of others: one of weight 2 twice as many as one of weight 1.
    pub weight: u32,
    /// Whether it was added while servers ran, and so may have been given up since.
    pub is_added: bool,
}

/// Where an addon with objects may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The engines that fit, in the order in which they are configured.
    pub candidates: Vec<Candidate>,
    /// Whether somebody wished for these: a part of another addon is where that is, and is refused if it may not be there.
    pub is_wished: bool,
}

impl Placement {
    /// Whether it may be on this engine.
    #[must_use]
    pub fn allows(&self, engine: &EngineName) -> bool {
        self.candidates.iter().any(|candidate| candidate.name == *engine)
    }

    /// The engine with the most room: the fewest addons for its weight, the first one of several. One of weight 0 takes only what
    /// fits nowhere else. None without candidates.
    pub fn roomiest<E>(&self, mut addons: impl FnMut(&EngineName) -> Result<u64, E>) -> Result<Option<&EngineName>, E> {
        if let [only] = self.candidates.as_slice() {
            return Ok(Some(&only.name));
        }
        let mut best: Option<(&Candidate, u128)> = None;
        for candidate in &self.candidates {
            let after = u128::from(addons(&candidate.name)?) + 1;
            // Compared as fractions, so that nothing is rounded: a/b < c/d.
            let has_more_room = best.is_none_or(|(best, best_after)| {
                let of = |candidate: &Candidate| u128::from(candidate.weight);
                match (candidate.weight, best.weight) {
                    (0, 0) => after < best_after,
                    _ => after * of(best) < best_after * of(candidate),
                }
            });
            if has_more_room {
                best = Some((candidate, after));
            }
        }
        Ok(best.map(|(candidate, _)| &candidate.name))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn wish(text: &str) -> EngineWish {
        text.parse().unwrap()
    }

    fn labels(text: &str) -> EngineLabels {
        match wish(text) {
            EngineWish::Labelled(labels) => labels,
            EngineWish::Named(_) => EngineLabels::new(),
        }
    }

    #[test]
    fn a_wish_is_a_name_or_labels() {
        for text in ["rack-1", "disk=ssd", "disk=ssd,zone=a"] {
            assert_eq!(wish(text).to_string(), text);
        }
        let many: Vec<String> = (0..=ENGINE_LABELS_MAX).map(|at| format!("l{at}=x")).collect();
        assert!(many[1..].join(",").parse::<EngineWish>().is_ok());
        assert_eq!(many.join(",").parse::<EngineWish>(), Err(EngineWishError::TooMany));
        for bad in ["", "Rack", "a b", "=", "disk=", "=ssd", "disk=ssd,", "disk=ssd,zone", "disk=a=b"] {
            assert!(matches!(bad.parse::<EngineWish>(), Err(EngineWishError::Name(_))), "{bad:?}");
        }
        assert!(matches!("a=b,a=c".parse::<EngineWish>(), Err(EngineWishError::Twice(_))));
    }

    #[test]
    fn all_that_is_wished_for_must_be_there() {
        let name: EngineName = "rack-1".parse().unwrap();
        let has = labels("disk=ssd,zone=a");
        for fitting in ["rack-1", "disk=ssd", "zone=a,disk=ssd"] {
            assert!(wish(fitting).fits(&name, &has), "{fitting}");
        }
        for other in ["rack-2", "disk=hdd", "disk=ssd,zone=b", "gpu=yes"] {
            assert!(!wish(other).fits(&name, &has), "{other}");
        }
    }

    fn chosen(candidates: &[(&str, u32, u64)]) -> String {
        let of = |(name, weight, _): &(&str, u32, u64)| Candidate {
            name: name.parse().unwrap(),
            weight: *weight,
            is_added: false,
        };
        let placement = Placement { candidates: candidates.iter().map(of).collect(), is_wished: false };
        let addons = |name: &EngineName| {
            Ok::<_, Infallible>(candidates.iter().find(|(known, ..)| *known == name.as_str()).unwrap().2)
        };
        placement.roomiest(addons).unwrap().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn the_one_with_the_most_room_for_its_weight_is_taken() {
        assert_eq!(chosen(&[]), "");
        assert_eq!(chosen(&[("a", 1, 0), ("b", 1, 0)]), "a", "the first of equal ones");
        assert_eq!(chosen(&[("a", 1, 1), ("b", 1, 0)]), "b");
        assert_eq!(chosen(&[("a", 2, 1), ("b", 1, 0)]), "a", "2 of weight 2 are as many as 1 of weight 1");
        assert_eq!(chosen(&[("a", 2, 2), ("b", 1, 0)]), "b");
        assert_eq!(chosen(&[("a", 0, 0), ("b", 1, 900)]), "b", "weight 0 is for those that ask for it");
        assert_eq!(chosen(&[("b", 1, 900), ("a", 0, 0)]), "b");
        assert_eq!(chosen(&[("a", 0, 5), ("b", 0, 4)]), "b");
        assert_eq!(chosen(&[("a", 0, 5)]), "a");
        assert_eq!(chosen(&[("a", ENGINE_WEIGHT_MAX, u64::MAX), ("b", 1, u64::MAX)]), "a", "nothing overflows");
    }
}
